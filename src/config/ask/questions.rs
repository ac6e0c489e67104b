//! The questions of `daybook ask` and what each is told.

use clap::{Args, Subcommand, ValueEnum};

use crate::config::ask::{AskDirection, ExplainArgs, NextPageArgs, PageArgs, RowsArgs, WindowArgs};

/// What is asked. Whom a question is about (WHO) is said by username, by the beginning of one that
/// no other begins with, by a part of one user's names alone, by UUID, or as NETWORK:ADDRESS for
/// one account.
#[derive(Clone, Debug, Subcommand)]
pub enum AskCommand {
    /// How much did they send and receive in a window?
    ///
    /// Several are answered from one snapshot of the database.
    #[command(after_help = "Examples:\n  daybook ask sum ann --last 30d\n  \
        daybook ask sum ann bob --month 2026-06 --direction sender --verify\n  \
        daybook ask sum bitcoin:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa --asset BTC --from 2009-01-01")]
    Sum(SumArgs),
    /// How did it go, hour by hour or month by month?
    #[command(after_help = "Examples:\n  daybook ask series ann --month 2026-06\n  \
        daybook ask series --every 1h --day yesterday --time-zone Europe/Berlin\n  \
        daybook ask series ann --every 1M --from 2026-01-01 --csv")]
    Series(SeriesArgs),
    /// Who ranks highest in a window?
    #[command(after_help = "Examples:\n  daybook ask rank --last 30d\n  \
        daybook ask rank --by avg --direction receiver --limit 20 --where ann\n  \
        daybook ask rank --network bitcoin --asset BTC --by count --bottom")]
    Rank(RankArgs),
    /// How are the amounts distributed over sizes?
    #[command(after_help = "Examples:\n  daybook ask histogram --last 7d\n  \
        daybook ask histogram ann --direction sender --bounds 0,10,100,1000")]
    Histogram(HistogramArgs),
    /// What do they hold, now or at an instant?
    #[command(after_help = "Examples:\n  daybook ask balance ann\n  \
        daybook ask balance ann --at 2026-06-30T23:59:59Z --verify")]
    Balance(BalanceArgs),
    /// Which transactions were there?
    #[command(after_help = "Examples:\n  daybook ask transactions ann --last 7d --limit 50\n  \
        daybook ask transactions ann --asset USD --running-balance --oldest-first --csv")]
    Transactions(TransactionsArgs),
    /// One transaction by its id, or all rows of a reference
    #[command(after_help = "Examples:\n  \
        daybook ask transaction 0197b3a1-8f5e-7cc0-9f1b-3a52a7c7d001\n  \
        daybook ask transaction --reference 'invoice 17'")]
    Transaction(TransactionArgs),
    /// Which users are there?
    #[command(after_help = "Examples:\n  daybook ask users\n  daybook ask users aal --limit 5\n  \
        daybook ask users --search muller")]
    Users(UsersArgs),
    /// Who is that?
    User(UserArgs),
    /// What does a user track, and what is in it?
    Wallets(WalletsArgs),
    /// Which accounts are on a network?
    Accounts(AccountsArgs),
    /// Which assets are there?
    Assets(AssetsArgs),
    /// Which symbols have prices?
    Symbols(SymbolsArgs),
    /// How did a symbol's price go?
    #[command(after_help = "Examples:\n  daybook ask prices btcusd --last 24h --every 1h\n  \
        daybook ask prices BTC-USD --day 2026-06-01 --csv")]
    Prices(PricesArgs),
    /// Whose price moved most?
    #[command(after_help = "Examples:\n  daybook ask rank-symbols --by change-percent\n  \
        daybook ask rank-symbols btcusd ethusd --by stddev-of-return --last 7d --verify")]
    RankSymbols(RankSymbolsArgs),
    /// What is known of a token?
    Token(TokenKeyArgs),
    /// Who holds a token?
    #[command(after_help = "Example:\n  daybook ask holders \
        ethereum:0xdac17f958d2ee523a2206206994597c13d831ec7 --as-of-block 19000000")]
    Holders(HoldersArgs),
    /// Who sent a token to whom?
    Transfers(TransfersArgs),
    /// How is Daybook itself doing?
    Status,
}

/// `daybook ask sum`.
#[derive(Args, Clone, Debug)]
pub struct SumArgs {
    /// Whom it is about: up to 500
    #[arg(required = true, num_args = 1..=500, value_name = "WHO")]
    pub who: Vec<String>,
    /// Which side; without it both
    #[arg(long, value_enum)]
    pub direction: Option<AskDirection>,
    /// What is counted.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// When.
    #[command(flatten)]
    pub window: WindowArgs,
    /// How it is made.
    #[command(flatten)]
    pub explain: ExplainArgs,
}

/// `daybook ask series`.
#[derive(Args, Clone, Debug)]
pub struct SeriesArgs {
    /// Whom it is about [default: everybody, each transaction once]
    #[arg(value_name = "WHO")]
    pub who: Option<String>,
    /// Length of a bucket: a number and m (minutes), h, d, w, M (months) or y
    #[arg(long, default_value = "1d", value_name = "1d")]
    pub every: String,
    /// Which side [default: both, for everybody the sender's]
    #[arg(long, value_enum)]
    pub direction: Option<AskDirection>,
    /// What is counted.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// When.
    #[command(flatten)]
    pub window: WindowArgs,
    /// How it is made.
    #[command(flatten)]
    pub explain: ExplainArgs,
}

/// What members are ranked by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum AskMetric {
    /// Sum of the amounts.
    Sum,
    /// Number of transactions.
    Count,
    /// Mean of the amounts.
    Avg,
    /// Sample standard deviation of the amounts.
    StddevSample,
    /// Population standard deviation of the amounts.
    StddevPopulation,
}

/// `daybook ask rank`.
#[derive(Args, Clone, Debug)]
pub struct RankArgs {
    /// What they are ranked by
    #[arg(long, value_enum, default_value_t = AskMetric::Sum)]
    pub by: AskMetric,
    /// Which side they are on
    #[arg(long, value_enum, default_value_t = AskDirection::Sender)]
    pub direction: AskDirection,
    /// Rank the accounts of a network instead of users
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Show also where this one stands: a user, or with --network an address
    #[arg(long = "where", value_name = "WHO")]
    pub standing: Option<String>,
    /// Smallest value first
    #[arg(long)]
    pub bottom: bool,
    /// Rank those without transactions, too
    #[arg(long)]
    pub include_idle: bool,
    /// What is counted.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// Most rows: 1 to 10,000
    #[arg(long, default_value_t = 10, value_name = "N",
        value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub limit: i32,
    /// Where it goes on.
    #[command(flatten)]
    pub next: NextPageArgs,
    /// When.
    #[command(flatten)]
    pub window: WindowArgs,
    /// How it is made.
    #[command(flatten)]
    pub explain: ExplainArgs,
}

/// `daybook ask histogram`.
#[derive(Args, Clone, Debug)]
pub struct HistogramArgs {
    /// Whom it is about [default: everybody, each transaction once]
    #[arg(value_name = "WHO")]
    pub who: Option<String>,
    /// Which side
    #[arg(long, value_enum, default_value_t = AskDirection::Sender)]
    pub direction: AskDirection,
    /// Lower bounds of the buckets, ascending [default: twenty of equal width]
    #[arg(long, value_delimiter = ',', value_name = "AMOUNT,...")]
    pub bounds: Vec<String>,
    /// What is counted.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// When.
    #[command(flatten)]
    pub window: WindowArgs,
}

/// `daybook ask balance`.
#[derive(Args, Clone, Debug)]
pub struct BalanceArgs {
    /// Whom it is about
    #[arg(value_name = "WHO")]
    pub who: String,
    /// Before this instant, written like --from elsewhere [default: all that is recorded]
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
    /// What is counted.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// How it is made.
    #[command(flatten)]
    pub explain: ExplainArgs,
}

/// `daybook ask transactions`.
#[derive(Args, Clone, Debug)]
pub struct TransactionsArgs {
    /// Whom it is about [default: everybody; --asset is then needed]
    #[arg(value_name = "WHO", required_unless_present = "asset")]
    pub who: Option<String>,
    /// Which side [default: both]
    #[arg(long, value_enum)]
    pub direction: Option<AskDirection>,
    /// Asset code [default: all]
    #[arg(long, value_name = "CODE")]
    pub asset: Option<String>,
    /// Show the balance after each row: needs --asset
    #[arg(long, requires = "asset")]
    pub running_balance: bool,
    /// Earliest rows first
    #[arg(long)]
    pub oldest_first: bool,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
    /// Say how the answer was made
    #[arg(long)]
    pub explain: bool,
    /// When; without any of these, always.
    #[command(flatten)]
    pub window: WindowArgs,
}

/// `daybook ask transaction`.
#[derive(Args, Clone, Debug)]
pub struct TransactionArgs {
    /// UUID of the row
    #[arg(value_name = "ID", required_unless_present = "reference", conflicts_with = "reference")]
    pub id: Option<String>,
    /// All rows of this reference, and what each account gained by them
    #[arg(long, value_name = "REFERENCE")]
    pub reference: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `daybook ask users`.
#[derive(Args, Clone, Debug)]
pub struct UsersArgs {
    /// What their usernames begin with [default: all]
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// What is a part of their usernames or names, in either case [default: all]
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub search: String,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `daybook ask user`.
#[derive(Args, Clone, Debug)]
pub struct UserArgs {
    /// Username, the beginning of one, a part of a name, or UUID
    #[arg(value_name = "WHO")]
    pub who: String,
}

/// `daybook ask wallets`.
#[derive(Args, Clone, Debug)]
pub struct WalletsArgs {
    /// Username, the beginning of one, a part of a name, or UUID
    #[arg(value_name = "WHO")]
    pub who: String,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `daybook ask accounts`.
#[derive(Args, Clone, Debug)]
pub struct AccountsArgs {
    /// The network, for example internal
    #[arg(value_name = "NETWORK")]
    pub network: String,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `daybook ask assets`.
#[derive(Args, Clone, Debug)]
pub struct AssetsArgs {
    /// What their codes begin with [default: all]
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `daybook ask symbols`.
#[derive(Args, Clone, Debug)]
pub struct SymbolsArgs {
    /// Only those with this quote currency
    #[arg(long, value_name = "CURRENCY", default_value = "", hide_default_value = true)]
    pub quote: String,
    /// Most rows: 1 to 1,000
    #[arg(long, default_value_t = 100, value_name = "N",
        value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub limit: i32,
    /// Where it goes on.
    #[command(flatten)]
    pub next: NextPageArgs,
}

/// `daybook ask prices`.
#[derive(Args, Clone, Debug)]
pub struct PricesArgs {
    /// The symbol, for example btcusd
    #[arg(value_name = "SYMBOL")]
    pub symbol: String,
    /// Show a bar for each span: a number and s, m, h, d or w [default: tick by tick]
    #[arg(long, value_name = "1h")]
    pub every: Option<String>,
    /// Most rows: 1 to 10,000
    #[arg(long, default_value_t = 1_440, value_name = "N",
        value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub limit: i32,
    /// Where it goes on.
    #[command(flatten)]
    pub next: NextPageArgs,
    /// When; without any of these, the last 24 hours.
    #[command(flatten)]
    pub window: WindowArgs,
}

/// What symbols are ranked by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum AskSymbolMetric {
    /// Standard deviation of the prices.
    StddevOfPrice,
    /// Standard deviation of the log returns: volatility, whatever the price.
    StddevOfReturn,
    /// Standard deviation of the prices in terms of their mean.
    CoefficientOfVariation,
    /// From the first price to the last, in percent.
    ChangePercent,
    /// Mean of the prices.
    Mean,
}

/// `daybook ask rank-symbols`.
#[derive(Args, Clone, Debug)]
pub struct RankSymbolsArgs {
    /// Which symbols [default: all]
    #[arg(value_name = "SYMBOL")]
    pub symbols: Vec<String>,
    /// What they are ranked by
    #[arg(long, value_enum, default_value_t = AskSymbolMetric::StddevOfReturn)]
    pub by: AskSymbolMetric,
    /// Smallest value first
    #[arg(long)]
    pub lowest_first: bool,
    /// Rank also symbols with few ticks
    #[arg(long)]
    pub include_thin: bool,
    /// Have the values computed from the ticks, too; exit code 3 if they differ
    #[arg(long)]
    pub verify: bool,
    /// Most rows: 1 to 10,000
    #[arg(long, default_value_t = 20, value_name = "N",
        value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub limit: i32,
    /// Where it goes on.
    #[command(flatten)]
    pub next: NextPageArgs,
    /// When; without any of these, the last 24 hours.
    #[command(flatten)]
    pub window: WindowArgs,
}

/// `daybook ask token`.
#[derive(Args, Clone, Debug)]
pub struct TokenKeyArgs {
    /// The token
    #[arg(value_name = "NETWORK:CONTRACT")]
    pub token: String,
}

/// `daybook ask holders`.
#[derive(Args, Clone, Debug)]
pub struct HoldersArgs {
    /// The token
    #[arg(value_name = "NETWORK:CONTRACT")]
    pub token: String,
    /// As of the end of this block [default: the last one that is recorded]
    #[arg(long, value_name = "HEIGHT")]
    pub as_of_block: Option<i64>,
    /// As of this instant, written like --from elsewhere
    #[arg(long, conflicts_with = "as_of_block", value_name = "INSTANT")]
    pub at: Option<String>,
    /// Show what changed in this time before: a number and m, h, d or w
    #[arg(long, default_value = "7d", value_name = "7d")]
    pub span: String,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `daybook ask transfers`.
#[derive(Args, Clone, Debug)]
pub struct TransfersArgs {
    /// The token
    #[arg(value_name = "NETWORK:CONTRACT")]
    pub token: String,
    /// Only those that this address sent or received
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    pub of: String,
    /// Earliest first
    #[arg(long)]
    pub oldest_first: bool,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
    /// When; without any of these, always.
    #[command(flatten)]
    pub window: WindowArgs,
}
