//! The axes beyond stocks and slots: nights, sessions, periods, legs and named seats.

mod clocks;
mod faults;
mod figures;
mod leases;
mod looks;
mod plain;
mod races;
mod replay;
mod sim;
mod world;
