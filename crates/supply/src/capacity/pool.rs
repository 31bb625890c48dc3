//! Pools: made, paused, given figures, exceptions and blocks.
