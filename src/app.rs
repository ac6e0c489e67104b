//! The one place where things are wired, in the order in which they start and stop.

mod ask;
mod audit;
mod bench;
mod checks;
mod database;
mod export;
mod health;
mod import;
mod introduction;
mod papers;
mod selftest;
mod serve;
mod signals;
mod sync_token;
mod token;
mod tools;
mod work;

pub use ask::ask;
pub use audit::audit;
pub use bench::bench;
pub use export::export;
pub use health::ask_health;
pub use import::import;
pub use papers::{completions, man};
pub use selftest::selftest;
pub use serve::serve;
pub use sync_token::sync_token;
pub use token::token;
pub use tools::{days, fill, migrate, psql};
pub use work::work;
