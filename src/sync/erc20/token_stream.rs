//! Streams of tokens: which asset a contract is, and from which block to which its transfers are
//! asked for.

use crate::{
    config::SourceKind,
    domain::{
        account::{Network, NetworkKind},
        asset::{DECIMALS_MAX, NewAsset},
        erc20::Address,
    },
    error::{Error, ErrorKind, Violation},
    outbound::{ethereum::TokenFacts, source_error::SourceError},
    store::sync_streams::{self, ChainAsset, Stream},
    sync::{
        Sync,
        erc20::asker::Asker,
        error::JobError,
        networks::{SyncNetwork, SyncSource},
        request::not_synced,
        turns::Turns,
    },
};

/// Longest name of an asset, in characters.
const NAME_LENGTH_MAX: usize = 100;

impl Sync {
    /// The stream of a token, from a block (`None`: where it began, or the chain does) to a block
    /// (`None`: the head, for good); made, with the
    /// asset, if it was not there. The contract is asked what it says of itself once.
    ///
    /// # Errors
    /// `InvalidArgument` on `network` or `contract` if there is no token, `Unavailable` if no
    /// source can be asked, what the database says.
    pub async fn token_stream(
        &self,
        network: &Network,
        contract: &str,
        first_height: Option<i64>,
        last_height: Option<i64>,
    ) -> Result<Stream, Error> {
        let Some(synced) = self.networks.get(network.as_str()) else {
            return Err(not_synced(
                network.as_str(),
                "its tokens are not synced: see --chains-file",
            ));
        };
        let NetworkKind::Ethereum { chain_id } = synced.kind else {
            return Err(not_synced(network.as_str(), "it has no tokens"));
        };
        let token = Address::parse(contract)
            .ok_or_else(|| invalid("token.contract", "must be an address: 0x and 40 digits"))?;
        let text = token.to_string();
        let known = sync_streams::find_asset(&self.database, network.as_str(), Some(&text)).await?;
        let asset_id = match known {
            Some(ChainAsset { asset_id, .. }) => asset_id,
            None => self.add_token(synced, chain_id, token).await?,
        };
        let (subject, first) = ((asset_id, 0), first_height.unwrap_or(0));
        let stream = sync_streams::ensure(&self.database, subject, first, last_height).await?;
        if first_height.is_some_and(|first| first != stream.first_height) {
            let begun_at = stream.first_height;
            return Err(Error::invalid(vec![Violation {
                field: "from_block".into(),
                description: format!("must be {begun_at}: the token is synced from that block on"),
            }]));
        }
        Ok(stream)
    }

    async fn add_token(
        &self,
        network: &SyncNetwork,
        chain_id: u64,
        token: Address,
    ) -> Result<i32, Error> {
        let facts = self.ask_token(network, chain_id, token).await.map_err(unavailable)?;
        let is_token = facts.total_supply.is_some() || facts.decimals.is_some();
        if !is_token {
            return Err(invalid("token.contract", "is no contract of a token"));
        }
        let decimals = facts.decimals.map_or(0, u32::from);
        if decimals > DECIMALS_MAX {
            return Err(invalid("token.contract", "has more decimals than amounts can have"));
        }
        let name = network.network.as_str();
        let new =
            NewAsset { code: format!("{name}:{token}"), name: name_of(&facts, &token), decimals };
        let (contract, symbol) = (token.to_string(), facts.symbol.unwrap_or_default());
        let asset = self.record_asset(&new, name, Some(&contract), &symbol).await?;
        Ok(asset.asset_id)
    }

    /// Asks the first source that answers.
    async fn ask_token(
        &self,
        network: &SyncNetwork,
        chain_id: u64,
        token: Address,
    ) -> Result<TokenFacts, JobError> {
        let mut last = JobError::NoSource { wait: None };
        let mut asked: Vec<String> = Vec::new();
        for _ in 0..=network.sources.len() {
            let is_fit = |source: &SyncSource| {
                let speaks = matches!(source.kind, SourceKind::Rpc | SourceKind::Etherscan);
                speaks && !asked.contains(&source.key.source)
            };
            let turns = match Turns::pick(&self.database, network, is_fit).await {
                Ok(turns) => turns,
                Err(JobError::NoSource { .. }) => return Err(last),
                Err(error) => return Err(error),
            };
            asked.push(turns.source.key.source.clone());
            let asker = Asker::new(turns, token)?;
            let facts = async {
                asker.check_chain(chain_id).await?;
                asker.token_facts().await
            };
            match facts.await {
                Ok(facts) => return Ok(facts),
                Err(error @ (JobError::Store(_) | JobError::Record(_))) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// What a token is shown as: its name and its code, as far as it says them.
fn name_of(facts: &TokenFacts, token: &Address) -> String {
    let name = match (&facts.name, &facts.symbol) {
        (Some(name), Some(symbol)) if name != symbol => format!("{name} ({symbol})"),
        (Some(text), _) | (None, Some(text)) => text.clone(),
        (None, None) => token.to_string(),
    };
    name.chars().take(NAME_LENGTH_MAX).collect()
}

fn invalid(field: &'static str, rule: &str) -> Error {
    Error::invalid(vec![Violation { field: field.into(), description: rule.to_owned() }])
}

fn unavailable(error: JobError) -> Error {
    match error {
        JobError::Store(error) => error.into(),
        JobError::Record(error) => error,
        JobError::Source(SourceError::Unsupported(_)) => {
            invalid("token.contract", "is not known to the source")
        }
        error @ (JobError::LeaseLost
        | JobError::GivesWay
        | JobError::NoSource { .. }
        | JobError::Source(_)
        | JobError::Inconsistent(_)
        | JobError::Incident(_)) => Error::with_source(
            ErrorKind::Unavailable("no source of the chain answers as it should"),
            error,
        ),
    }
}
