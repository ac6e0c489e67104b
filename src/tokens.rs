//! Tokens of chains: who holds them, who sent them to whom, and what is known of them.
//!
//! Everything comes from rows that were synced; nobody who asks waits for a node of the chain.
//! `as_of` finds the block that an answer is as of.

pub mod as_of;
pub mod get_token;
pub mod list_holders;
pub mod list_transfers;

use crate::{
    domain::{
        account::AccountKey,
        token::{KnownBlock, Token, TokenStream},
    },
    error::{Error, ErrorKind, Obstacle},
    store::{Database, Snapshot, tokens},
};

/// Answers questions about tokens from one database.
#[derive(Clone)]
pub struct Tokens {
    database: Database,
    accounts_max: u64,
}

impl Tokens {
    /// Answers from this database; a token that more than `accounts_max` accounts ever had is too
    /// large to be measured.
    #[must_use]
    pub fn new(database: Database, accounts_max: u64) -> Self {
        Self { database, accounts_max }
    }
}

/// The token of a contract.
async fn find(session: &Snapshot, contract: &AccountKey) -> Result<Token, Error> {
    let (network, address) = (contract.network().as_str(), contract.address().as_str());
    let found = tokens::find(session, network, address).await?;
    found.ok_or_else(|| Error::new(ErrorKind::NotFound("token")))
}

/// How far a token is recorded, and the last block that is.
fn recorded(token: &Token) -> Result<(&TokenStream, &KnownBlock), Error> {
    let stream = token.stream.as_ref();
    stream.and_then(|stream| Some((stream, stream.head.as_ref()?))).ok_or_else(|| {
        Error::new(ErrorKind::InTheWay(Obstacle {
            kind: "TOKEN_NOT_SYNCED",
            subject: token.contract.clone(),
            description: "no block of the token is recorded yet: sync it, and ask again when the \
                          job has come to its end"
                .to_owned(),
        }))
    })
}
