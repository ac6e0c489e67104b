//! The seeder: fills an empty database with users and transactions that look real,
//! the same ones for the same number and first day on any machine.
//!
//! `plan` and `rows` decide what is loaded, purely; `load` brings it in, resumable
//! after a kill at any moment; `progress` shows how far it is.

pub mod load;
pub mod people;
pub mod plan;
pub mod progress;
pub mod rows;
mod seal;

pub use load::{SeedOutcome, seed};
pub use plan::SeedPlan;
