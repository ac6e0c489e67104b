//! Transactions and prices from files and into files: `daybook import` and `daybook export`.
//!
//! A mapping (`mapping`) says which column of a file is what. Records (`records`) become
//! transactions (`rows`) or prices (`price_rows`) by it; all are pure. `import` has them
//! recorded, and gives back what was refused; `export` writes transactions in the form that
//! `--map daybook` reads, `export_prices` prices with the usual columns.

pub mod amounts;
pub mod columns;
pub mod csv;
pub mod dry_run;
pub mod encoding;
pub mod error;
pub mod export;
pub mod export_prices;
pub mod ids;
pub mod import;
pub mod instants;
pub mod mapping;
pub mod price_rows;
pub mod records;
pub mod rejects;
pub mod rows;
mod sheet;
pub mod source;
pub mod template;
