//! `daybook ask`: puts a question and prints its answer, or why there is none.

use std::{
    io::{self, ErrorKind, IsTerminal, Write},
    process::ExitCode,
};

use chrono::Utc;
use rustix::termios::tcgetwinsize;

use crate::{
    ask::{self, Surroundings},
    cli::AskArgs,
    client::Secret,
};

/// How wide a terminal is that does not say.
const COLUMNS: usize = 80;

/// What an answer that differs from the rows exits with.
const DIFFERS: u8 = 3;

/// Puts the question and prints its answer. What is no answer goes to standard error, with the
/// exit code that the help explains.
///
/// # Errors
/// If the answer cannot be printed.
pub async fn ask(arguments: &AskArgs, token: Option<String>) -> anyhow::Result<ExitCode> {
    let token = token.filter(|token| !token.is_empty()).map(Secret::from);
    let around = Surroundings { token, now: Utc::now(), columns: columns() };
    let shown = match ask::run(&arguments.command, &arguments.settings, around).await {
        Ok(shown) => shown,
        Err(error) => {
            eprintln!("daybook: {error}");
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    print(shown.text.as_bytes())?;
    Ok(if shown.differs { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS })
}

/// Prints a text. Whoever stops reading has read enough.
///
/// # Errors
/// If it cannot be printed.
pub(super) fn print(text: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// How wide the terminal is that shows the answer; none where it goes elsewhere.
fn columns() -> Option<usize> {
    let output = io::stdout();
    if !output.is_terminal() {
        return None;
    }
    let found = tcgetwinsize(&output).ok().map(|size| usize::from(size.ws_col));
    Some(found.filter(|&columns| columns > 0).unwrap_or(COLUMNS))
}
