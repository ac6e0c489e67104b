//! Prices of symbols over time.

pub mod audit;
pub mod brief;
pub mod brief_cell;
pub mod candle;
pub mod cell;
pub mod logarithm;
pub mod metric;
pub mod pair;
pub mod spans;
pub mod symbol;
pub mod tick;
pub mod totals;
pub mod unit_ticks;
