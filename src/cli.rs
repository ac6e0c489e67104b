//! The command line: commands and their settings.

use std::{ffi::OsString, path::PathBuf};

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::{
    config::{
        BenchSettings, ClusterSettings, DatabaseSettings, LogSettings, PartitionSettings,
        PoolSettings, SeedSettings, ServeSettings, SyncSettings,
        ask::{AskCommand, AskSettings},
    },
    domain::{
        access::Role,
        price::symbol::{TICK_INTERVAL_SECONDS_DEFAULT, TICK_INTERVAL_SECONDS_MAX},
    },
};

/// Exact time-window analytics on money movements in Postgres, over gRPC
///
/// Without a command Daybook serves: it starts a private Postgres in ./daybook-data (or
/// uses the server at --database-url), brings its schema up to date, fills an empty
/// database, and answers on 127.0.0.1:50051 until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "daybook", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Settings of `serve`, which is what no command means.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (what no command means)
    Serve(Box<ServeArgs>),
    /// Bring the schema up to date and exit
    Migrate(MigrateArgs),
    /// Make the daily partitions of past days, for rows that SQL clients will write there
    Days(DaysArgs),
    /// Hold every running total against the rows and every cell of prices against the ticks, and
    /// repair what differs if asked; exit code 0 if all agree, 2 if something differs, 3 if it did
    /// and was repaired
    Audit(AuditArgs),
    /// Record the rows of a CSV file: transactions, or prices (--prices)
    ///
    /// A mapping says which column is what: a file (--map-file), assignments
    /// (--map time.format=YYMMDD ...), or `--map daybook` for what `daybook export` wrote.
    /// docs/import.md explains its keys. The same file can be imported again: rows that are
    /// there are known by their ids. With --prices no mapping is needed where the columns are
    /// called symbol, price, and timestamp, ticked_at or time. Lines that cannot be recorded go
    /// into the reject file. Works beside a running Daybook and without one. Exit code 0 if every
    /// row is recorded, 2 if lines were rejected, 1 if the import did not come to its end.
    Import(Box<ImportArgs>),
    /// Write rows as CSV, in the form that `daybook import --map daybook` reads: transactions, or
    /// prices (--prices), which `daybook import --prices` reads
    ///
    /// Rows are written in the order of their instants, from one snapshot. Days that are not at
    /// hand are refused. Works beside a running Daybook and without one.
    Export(Box<ExportArgs>),
    /// Sync the wallets and tokens that jobs ask for, as a process of its own
    ///
    /// Works at the jobs of SyncService, and has those made whose time has come, as a serving
    /// Daybook does with --sync-workers. Any number may work beside each other. Until Ctrl-C.
    Work(Box<WorkArgs>),
    /// Sync a token here and now, with a progress bar
    ///
    /// Records the transfers of a contract from one block to another (--from, --to), or from a
    /// block to the head, which is then followed until Ctrl-C. Without either it begins with the
    /// chain, or goes on where the token's last sync ended. Needs a source of the network:
    /// --chains-file. Works beside a running Daybook and without one.
    SyncToken(Box<SyncTokenArgs>),
    /// Make, list and revoke the tokens that callers show
    ///
    /// A Daybook that can be reached from elsewhere asks for one (--auth); it is sent as
    /// `authorization: Bearer dbk_...`. docs/security.md says what each role may do. Works
    /// beside a running Daybook and without one.
    Token(TokenArgs),
    /// Open psql on the private Postgres, as a role that cannot bypass the triggers
    Psql(PsqlArgs),
    /// Ask a running Daybook whether it serves; exit code 0 if so
    Health(HealthArgs),
    /// Ask a running Daybook questions, and show the answers as tables, JSON or CSV
    ///
    /// WHO is a username, the beginning of one that no other begins with, a part of one user's
    /// names alone, a UUID, or NETWORK:ADDRESS for one account. Without a window the last 30 days
    /// are meant. Exit code 0 if it was answered; 1 if not, and asking again would change nothing;
    /// 2 if the question is wrong; 3 if --verify found a difference; 4 if nobody answered, or not
    /// in time, and asking again may help.
    #[command(after_help = "Examples:\n  daybook ask sum ann --last 30d\n  \
        daybook ask series ann --month 2026-06 --every 1w\n  \
        daybook ask rank --by avg --limit 5 --json\n  \
        daybook ask balance ann --grpcurl")]
    Ask(Box<AskArgs>),
    /// Print the completions of a shell: `daybook completions bash > ...`
    ///
    /// bash: into ~/.local/share/bash-completion/completions/daybook; zsh: into a file _daybook in
    /// a folder of $fpath; fish: into ~/.config/fish/completions/daybook.fish.
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for every command into a folder
    ///
    /// `daybook man | man -l -` shows it.
    Man(ManArgs),
    /// Load a running Daybook with calls and print how fast it answers
    ///
    /// Latencies are those of calls that were answered; the others are counted by what they
    /// ended with, and make the exit code 1. WRONG_ANSWER is an answer without an error that
    /// does not say what was asked for: a server that does not serve, or a question of a batch
    /// with an error of its own. Users are the first 10,000 that ListUsers names.
    Bench(Box<BenchSettings>),
    /// Compare answers with an oracle's while clients write, in a scratch schema of its own
    Selftest(Box<SelftestArgs>),
}

/// `daybook serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Everything that serving needs.
    #[command(flatten)]
    pub settings: ServeSettings,
    /// Logs.
    #[command(flatten)]
    pub logs: LogSettings,
}

/// `daybook migrate`.
#[derive(Args, Clone, Debug)]
pub struct MigrateArgs {
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Connections.
    #[command(flatten)]
    pub pool: PoolSettings,
    /// Partitions.
    #[command(flatten)]
    pub partitions: PartitionSettings,
    /// Logs.
    #[command(flatten)]
    pub logs: LogSettings,
}

/// `daybook work`.
#[derive(Args, Clone, Debug)]
pub struct WorkArgs {
    /// What is synced.
    #[command(flatten)]
    pub sync: SyncSettings,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

/// `daybook sync-token`.
#[derive(Args, Clone, Debug)]
pub struct SyncTokenArgs {
    /// The network: ethereum, or evm- and the number of a chain
    #[arg(value_name = "NETWORK")]
    pub network: String,
    /// Address of the contract
    #[arg(value_name = "CONTRACT")]
    pub contract: String,
    /// First block; balances are whole only from 0 on [default: 0, or where the token began]
    #[arg(long, value_name = "BLOCK")]
    pub from: Option<i64>,
    /// Last block [default: the head, which is followed until Ctrl-C]
    #[arg(long, value_name = "BLOCK")]
    pub to: Option<i64>,
    /// End when the head is reached instead of following it
    #[arg(long)]
    pub once: bool,
    /// What is synced.
    #[command(flatten)]
    pub sync: SyncSettings,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

/// `daybook days`.
#[derive(Args, Clone, Debug)]
pub struct DaysArgs {
    /// First day (UTC)
    #[arg(value_name = "FROM")]
    pub first_day: NaiveDate,
    /// Last day (UTC)
    #[arg(value_name = "TO")]
    pub last_day: NaiveDate,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

/// `daybook audit`.
#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    /// Build anew from the rows and the ticks what differs, then audit again
    #[arg(long, env = "DAYBOOK_AUDIT_REPAIR")]
    pub repair: bool,
    /// Units compared side by side [default: one a processor]
    #[arg(long, env = "DAYBOOK_AUDIT_JOBS", value_name = "N")]
    pub jobs: Option<usize>,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

/// `daybook import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file: CSV, plain or gzip; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file has prices: each is known by its symbol and instant
    #[arg(long)]
    pub prices: bool,
    /// Put prices in the place of other ones of the same symbol and instant, instead of
    /// rejecting their lines
    #[arg(long, requires = "prices")]
    pub replace: bool,
    /// Seconds between two prices of the symbols that this import records: 1 to 86,400
    #[arg(
        long,
        default_value_t = TICK_INTERVAL_SECONDS_DEFAULT,
        value_parser = clap::value_parser!(i32).range(1..=i64::from(TICK_INTERVAL_SECONDS_MAX)),
        requires = "prices",
        value_name = "SECONDS"
    )]
    pub tick_interval: i32,
    /// A key of the mapping and its value, again and again; or daybook
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "map_file")]
    pub map: Vec<String>,
    /// File with the mapping, in TOML
    #[arg(long, value_name = "FILE")]
    pub map_file: Option<PathBuf>,
    /// Show the first rows as they would be recorded and the first lines that would be
    /// rejected; record nothing and ask no database
    #[arg(long)]
    pub dry_run: bool,
    /// Where rejected lines go, with their number and the reason [default: FILE.rejected.csv in
    /// the working folder]
    #[arg(long, value_name = "FILE")]
    pub reject_file: Option<PathBuf>,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

/// `daybook export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Write prices: the columns symbol, ticked_at and price
    #[arg(long, conflicts_with_all = ["user", "account", "asset"])]
    pub prices: bool,
    /// Prices of these symbols only, with commas between
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', requires = "prices")]
    pub symbols: Vec<String>,
    /// Where rows go, packed if the name ends in .gz [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// First instant inside, or first day (UTC)
    #[arg(long, value_name = "INSTANT")]
    pub from: Option<String>,
    /// First instant after, or day (UTC)
    #[arg(long, value_name = "INSTANT")]
    pub to: Option<String>,
    /// Rows of a user's wallets only: by UUID, else by username
    #[arg(long, value_name = "UUID|USERNAME", conflicts_with = "account")]
    pub user: Option<String>,
    /// Rows of an account only
    #[arg(long, value_name = "NETWORK:ADDRESS")]
    pub account: Option<String>,
    /// Rows of an asset only
    #[arg(long, value_name = "CODE")]
    pub asset: Option<String>,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

/// `daybook token`.
#[derive(Args, Clone, Debug)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do with tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, once: it is stored nowhere
    Create(Box<TokenCreateArgs>),
    /// List the tokens, without their secrets
    List(Box<MigrateArgs>),
    /// Revoke a token: it is refused within a minute (--token-freshness-ms of the servers)
    Revoke(Box<TokenRevokeArgs>),
}

/// `daybook token create`.
#[derive(Args, Clone, Debug)]
pub struct TokenCreateArgs {
    /// What its holder may do: reader, ingester, user or admin
    #[arg(long, value_parser = role, value_name = "ROLE")]
    pub role: Role,
    /// Whose records a `user` may see and change: UUID of a user
    #[arg(long, value_name = "UUID")]
    pub user: Option<Uuid>,
    /// Make no secret: the caller is known by this name in its certificate (--tls-client-ca)
    ///
    /// A DNS name or a URI among the subject alternative names, letter for letter.
    #[arg(long, value_name = "NAME")]
    pub certificate_name: Option<String>,
    /// What it is called in logs and lists [default: its role]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Days until it is refused [default: never]
    #[arg(long, value_name = "DAYS")]
    pub expires_days: Option<u32>,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

/// `daybook token revoke`.
#[derive(Args, Clone, Debug)]
pub struct TokenRevokeArgs {
    /// Id of the token, as `daybook token list` shows it
    #[arg(value_name = "ID")]
    pub token_id: Uuid,
    /// Where the database is, and what its schema is brought to.
    #[command(flatten)]
    pub migrate: MigrateArgs,
}

fn role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("must be reader, ingester, user or admin")
}

/// `daybook psql`.
#[derive(Args, Clone, Debug)]
pub struct PsqlArgs {
    /// Where the private Postgres is.
    #[command(flatten)]
    pub cluster: ClusterSettings,
    /// Schema that psql looks in for names without one
    #[arg(long, env = "DAYBOOK_SCHEMA", default_value = "daybook", value_name = "NAME")]
    pub schema: String,
    /// Handed to psql as they are
    #[arg(last = true, value_name = "ARGS")]
    pub arguments: Vec<OsString>,
}

/// `daybook selftest`.
#[derive(Args, Clone, Debug)]
pub struct SelftestArgs {
    /// Operations to carry out: writes, questions, sealings, new days
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub operations: u64,
    /// Number that everything is drawn from: same number, same operations [default: a new one]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Scratch schemas that are at work side by side in a long run
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub worlds: usize,
    /// Clients that write at once in each
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub writers: usize,
    /// What the names of the scratch schemas begin with
    #[arg(long, default_value = "daybook_selftest", value_name = "NAME")]
    pub schema_prefix: String,
    /// Leave the scratch schemas as they are at the end
    #[arg(long)]
    pub keep: bool,
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Connections of the questions.
    #[command(flatten)]
    pub pool: PoolSettings,
    /// Logs.
    #[command(flatten)]
    pub logs: LogSettings,
}

/// `daybook ask`.
#[derive(Args, Clone, Debug)]
pub struct AskArgs {
    /// What is asked.
    #[command(subcommand)]
    pub command: AskCommand,
    /// Whom, and how the answer is shown.
    #[command(flatten)]
    pub settings: AskSettings,
}

/// `daybook completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: CompletionShell,
}

/// A shell whose completions are made.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CompletionShell {
    /// GNU bash with bash-completion.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

/// `daybook man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Write daybook.1, daybook-serve.1 and so on into this folder
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// `daybook health`.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    /// Where Daybook serves
    #[arg(
        long,
        env = "DAYBOOK_HEALTH_ADDRESS",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    pub address: String,
    /// File with the roots that sign the server's certificate, in PEM, where --address begins with
    /// https [default: those that the system trusts]
    #[arg(long, env = "DAYBOOK_HEALTH_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Name that the certificate must be for [default: that in --address]
    #[arg(long, env = "DAYBOOK_HEALTH_SERVER_NAME", value_name = "NAME", requires = "ca")]
    pub server_name: Option<String>,
}

/// Fill an empty database with users and transactions, and exit
#[derive(Debug, Parser)]
#[command(name = "seeder", version)]
pub struct SeederCli {
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Connections.
    #[command(flatten)]
    pub pool: PoolSettings,
    /// Partitions.
    #[command(flatten)]
    pub partitions: PartitionSettings,
    /// What to fill it with.
    #[command(flatten)]
    pub seed: SeedSettings,
    /// Logs.
    #[command(flatten)]
    pub logs: LogSettings,
}
