//! `daybook completions` and `daybook man`: what a shell and its user are told of the commands.

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    app::ask::print,
    cli::{Cli, CompletionShell, CompletionsArgs, ManArgs},
};

/// Prints the completions of a shell.
///
/// # Errors
/// If they cannot be printed.
pub fn completions(arguments: &CompletionsArgs) -> anyhow::Result<()> {
    let shell = match arguments.shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "daybook", &mut text);
    Ok(print(&text)?)
}

/// Prints the manual page, or writes those of all commands into a folder.
///
/// # Errors
/// If they cannot be printed or written.
pub fn man(arguments: &ManArgs) -> anyhow::Result<()> {
    match &arguments.folder {
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder)
            .with_context(|| format!("--folder {}", folder.display())),
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            Ok(print(&text)?)
        }
    }
}
