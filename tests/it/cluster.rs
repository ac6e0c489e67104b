//! The private Postgres: its life, its faults, its rights and what it refuses.

mod faults;
mod lifecycle;
mod refusals;
mod rights;
