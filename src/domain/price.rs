//! Prices of symbols over time.

pub mod cell;
pub mod logarithm;
pub mod metric;
pub mod spans;
pub mod symbol;
pub mod tick;
pub mod totals;
