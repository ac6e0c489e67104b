//! Transactions in files: what a delimited file says, by a mapping that says which column is
//! what.
//!
//! Records (`records`) become transactions (`rows`) by a mapping (`mapping`). Nothing here asks
//! a database.

pub mod amounts;
pub mod csv;
pub mod encoding;
pub mod ids;
pub mod instants;
pub mod mapping;
pub mod records;
pub mod rows;
pub mod template;
