//! What runs beside the requests: one named task each, stopped by a token and waited
//! for.

pub mod alerts;
pub mod database_health;
pub mod day_watch;
pub mod metrics;
pub mod partition_upkeep;
pub mod price_feed;
pub mod price_folding;
pub mod refused_callers;
pub mod retention;
pub mod sealing;
pub mod sync;
pub mod verifier;
pub mod watch_overview;
