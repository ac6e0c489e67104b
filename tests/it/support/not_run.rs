//! A check that cannot run on this machine says so where nobody can miss it.

use std::io::{self, Write};

/// Says on standard error that a check was not run and why. The harness keeps back what passing
/// tests print by `eprintln!`, but not this.
pub(crate) fn not_run(what: &str, reason: &str) {
    let line = format!("\nNOT RUN: {what}: {reason}\n");
    io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
}
