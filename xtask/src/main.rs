//! The house's own automation.
fn main() {}
