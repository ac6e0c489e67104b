//! Settings of `daybook ask`: whom to ask, what, and how the answer is shown.

mod questions;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

pub use questions::{
    AccountsArgs, AskCommand, AskMetric, AskSymbolMetric, AssetsArgs, BalanceArgs, HistogramArgs,
    HoldersArgs, PricesArgs, RankArgs, RankSymbolsArgs, SeriesArgs, SumArgs, SymbolsArgs,
    TokenKeyArgs, TransactionArgs, TransactionsArgs, TransfersArgs, UserArgs, UsersArgs,
    WalletsArgs,
};

/// Longest deadline that may be asked for, in seconds.
const DEADLINE_SECONDS_MAX: f64 = 86_400.0;

/// What every question is told.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Whom to ask")]
pub struct AskSettings {
    /// Where Daybook serves: HOST:PORT, or a URL
    #[arg(
        long,
        env = "DAYBOOK_ADDRESS",
        default_value = "127.0.0.1:50051",
        global = true,
        value_name = "ADDRESS"
    )]
    pub address: String,

    /// File with the roots that sign the server's certificate, in PEM: the address is then https
    /// [default for https: those that the system trusts]
    #[arg(long, env = "DAYBOOK_CA", global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Name that the server's certificate must be for [default: that in the address]
    #[arg(long, env = "DAYBOOK_SERVER_NAME", global = true, value_name = "NAME")]
    pub server_name: Option<String>,

    /// File with the token to show; or put the token itself into DAYBOOK_TOKEN
    ///
    /// There is no flag for the token: what is on a command line everybody on the machine can read.
    #[arg(long, env = "DAYBOOK_TOKEN_FILE", global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Send the token also over a network without encryption
    #[arg(long, env = "DAYBOOK_SEND_TOKEN_IN_CLEAR", global = true)]
    pub send_token_in_clear: bool,

    /// Longest wait for the answer, further tries included, in seconds
    #[arg(
        long,
        env = "DAYBOOK_ASK_TIMEOUT_SECONDS",
        default_value = "30",
        value_parser = parse_seconds,
        global = true,
        value_name = "SECONDS"
    )]
    pub timeout: Duration,

    /// How the answer is shown.
    #[command(flatten)]
    pub output: OutputSettings,
}

/// How answers are shown.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "How it is shown")]
pub struct OutputSettings {
    /// Print the answer as JSON, as gRPC's tools do
    #[arg(long, global = true, conflicts_with_all = ["csv", "grpcurl"])]
    pub json: bool,

    /// Print the table of the answer as CSV
    #[arg(long, global = true, conflicts_with = "grpcurl")]
    pub csv: bool,

    /// Ask nothing: print the line of grpcurl that does
    #[arg(long, global = true)]
    pub grpcurl: bool,

    /// Time zone of days and months, and of the instants that are shown, by its IANA name
    #[arg(
        long,
        env = "DAYBOOK_TIME_ZONE",
        default_value = "UTC",
        global = true,
        value_name = "ZONE"
    )]
    pub time_zone: String,
}

/// When: one of them; without any, the last 30 days.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "When")]
pub struct WindowArgs {
    /// The time up to now: a number and m, h, d or w (24 hours make a day)
    #[arg(long, conflicts_with_all = ["from", "to", "day", "month"], value_name = "30d")]
    pub last: Option<String>,

    /// First instant inside: a date, a time of the zone's clocks (2026-06-01T08:30), or RFC 3339
    #[arg(long, conflicts_with_all = ["day", "month"], value_name = "INSTANT")]
    pub from: Option<String>,

    /// First instant after, written like --from; a date is not inside [default: now]
    #[arg(long, requires = "from", conflicts_with_all = ["day", "month"], value_name = "INSTANT")]
    pub to: Option<String>,

    /// One day: a date, today or yesterday
    #[arg(long, conflicts_with = "month", value_name = "DATE")]
    pub day: Option<String>,

    /// One month
    #[arg(long, value_name = "YYYY-MM")]
    pub month: Option<String>,
}

impl WindowArgs {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_unsaid(&self) -> bool {
        [&self.last, &self.from, &self.to, &self.day, &self.month].iter().all(|one| one.is_none())
    }
}

/// Which rows count.
#[derive(Args, Clone, Debug, Default)]
pub struct RowsArgs {
    /// Asset code [default: that of the seeded data]
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    pub asset: String,

    /// Answer also where rows may be missing that are still to be synced from a chain
    #[arg(long)]
    pub allow_partial: bool,
}

/// Where a list goes on that is longer than a page.
#[derive(Args, Clone, Debug, Default)]
pub struct NextPageArgs {
    /// What the page before said that the next one begins with
    #[arg(
        long,
        value_name = "TOKEN",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub page_token: String,
}

/// Which page of a list.
#[derive(Args, Clone, Debug, Default)]
pub struct PageArgs {
    /// Most rows: 1 to 1,000
    #[arg(long, default_value_t = 20, value_name = "N",
        value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub limit: i32,

    /// Where it goes on.
    #[command(flatten)]
    pub next: NextPageArgs,
}

/// How answers are made and checked.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "How it is made")]
pub struct ExplainArgs {
    /// Say how the answer was made
    #[arg(long)]
    pub explain: bool,

    /// Have the answer computed from the rows, too; exit code 3 if they differ
    #[arg(long)]
    pub verify: bool,
}

/// Which side of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum AskDirection {
    /// What was sent.
    Sender,
    /// What was received.
    Receiver,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    if !(0.001..=DEADLINE_SECONDS_MAX).contains(&seconds) {
        return Err("must be 0.001 to 86400 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        page: PageArgs,
    }

    #[test]
    fn a_page_token_may_begin_with_a_hyphen() {
        let line = Line::try_parse_from(["ask", "--page-token", "-S--", "--limit", "3"]);
        let page = line.expect("it is right").page;
        assert_eq!((page.next.page_token.as_str(), page.limit), ("-S--", 3));
    }
}
