//! The `seeder` binary.

fn main() {}
