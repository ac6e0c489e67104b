//! Running totals: the exact count, sum and sum of squares of all rows of a series
//! before an instant, from a bounded number of stored cells.
//!
//! A series is one account, asset and direction. Its rows stand in a counted B+tree over
//! time: a leaf cell holds rows by their instants, an inner cell holds the totals of the
//! cells below it. One cell a level answers any instant, and one more row changes one
//! cell a level, however old the row is. (Counted, or aggregate, B+trees: Srivastava and
//! Lum, "A tree based access method (TBSAM) for fast processing of aggregate queries",
//! ICDE 1988.)
//!
//! Pure: `store` reads and writes the cells.

pub mod audit;
pub mod cell;
pub mod damage;
pub mod day_cells;
pub mod instants;
pub mod prefix;
pub mod rows;
pub mod series_audit;
pub mod sums;
pub mod tree;
pub(in crate::domain) mod varint;
pub mod whole;
