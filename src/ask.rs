//! `daybook ask`: questions from a terminal, answered as tables, JSON or CSV.
//!
//! A client like any other, made with `client`. One command is one rpc, and where users are named
//! otherwise than by UUID a look-up before it. Each rpc's file says how its request is made of what
//! was said on the command line, and what of its answer is shown; `page` lays that out, `json` says
//! request and answer as gRPC's tools do. Amounts are shown as they come, digit for digit; only
//! what is drawn is rounded.

mod asker;
mod chart;
mod error;
mod facts;
mod get_balance;
mod get_status;
mod get_token;
mod get_transaction;
mod get_user;
mod histogram;
mod instants;
mod json;
mod list_accounts;
mod list_assets;
mod list_holders;
mod list_prices;
mod list_symbols;
mod list_transactions;
mod list_transfers;
mod list_users;
mod list_wallets;
mod notes;
mod page;
mod rank;
mod rank_symbols;
mod sum_amount;
mod sum_series;
mod who;

use asker::Asker;
pub use asker::Shown;
use chrono::{DateTime, Utc};
pub use error::AskError;

use crate::{
    client::Secret,
    config::ask::{AskCommand, AskSettings},
};

/// What is not said on the command line.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The token to show, unless a file is named.
    pub token: Option<Secret>,
    /// What is meant by now.
    pub now: DateTime<Utc>,
    /// How wide the terminal is that shows the answer; none where it goes elsewhere.
    pub columns: Option<usize>,
}

/// Asks, and says what is to be shown.
///
/// # Errors
/// If the question cannot be made of what was said, nobody answers, or the answer is an error.
pub async fn run(
    command: &AskCommand,
    settings: &AskSettings,
    surroundings: Surroundings,
) -> Result<Shown, AskError> {
    let asker = Asker::new(settings, surroundings)?;
    match command {
        AskCommand::Sum(told) => sum_amount::ask(&asker, told).await,
        AskCommand::Series(told) => sum_series::ask(&asker, told).await,
        AskCommand::Rank(told) => rank::ask(&asker, told).await,
        AskCommand::Histogram(told) => histogram::ask(&asker, told).await,
        AskCommand::Balance(told) => get_balance::ask(&asker, told).await,
        AskCommand::Transactions(told) => list_transactions::ask(&asker, told).await,
        AskCommand::Transaction(told) => get_transaction::ask(&asker, told).await,
        AskCommand::Users(told) => list_users::ask(&asker, told).await,
        AskCommand::User(told) => get_user::ask(&asker, told).await,
        AskCommand::Wallets(told) => list_wallets::ask(&asker, told).await,
        AskCommand::Accounts(told) => list_accounts::ask(&asker, told).await,
        AskCommand::Assets(told) => list_assets::ask(&asker, told).await,
        AskCommand::Symbols(told) => list_symbols::ask(&asker, told).await,
        AskCommand::Prices(told) => list_prices::ask(&asker, told).await,
        AskCommand::RankSymbols(told) => rank_symbols::ask(&asker, told).await,
        AskCommand::Token(told) => get_token::ask(&asker, told).await,
        AskCommand::Holders(told) => list_holders::ask(&asker, told).await,
        AskCommand::Transfers(told) => list_transfers::ask(&asker, told).await,
        AskCommand::Status => get_status::ask(&asker).await,
    }
}
