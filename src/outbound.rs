//! Clients of servers of others: what Daybook asks of them, and what they answer.
//!
//! Nothing here decides when to ask, or what becomes of an answer.

pub mod exchange;
