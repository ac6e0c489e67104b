//! One source, asked about one token: each question in its turn, whichever dialect it speaks.

use std::sync::Arc;

use crate::{
    config::SourceKind,
    domain::erc20::{
        Address, Hash,
        logs::{Block, Log},
        pages::Place,
        ranges::Range,
        refusals::Advice,
    },
    outbound::{
        HttpSetupError,
        ethereum::{Explorer, LogsError, Node, TokenFacts},
        source_error::SourceError,
    },
    sync::{erc20::malformed, error::JobError, turns::Turns},
};

/// A source that may be asked about one token. Clones take turns of the same source.
#[derive(Clone)]
pub(super) struct Asker {
    turns: Arc<Turns>,
    client: Client,
    token: Address,
}

#[derive(Clone)]
enum Client {
    Node(Node),
    Explorer(Explorer),
}

impl Asker {
    pub(super) fn new(turns: Turns, token: Address) -> Result<Self, JobError> {
        let url = turns.source.url.clone();
        let cannot = |error: HttpSetupError| JobError::Incident(error.to_string());
        let client = match turns.source.kind {
            SourceKind::Rpc => Client::Node(Node::new(url).map_err(cannot)?),
            SourceKind::Etherscan => Client::Explorer(Explorer::new(url).map_err(cannot)?),
            SourceKind::Esplora | SourceKind::Mempool | SourceKind::BlockchainInfo => {
                return Err(JobError::Incident("the source knows no tokens".to_owned()));
            }
        };
        Ok(Self { turns: Arc::new(turns), client, token })
    }

    /// Name of the source.
    pub(super) fn source(&self) -> &str {
        &self.turns.source.key.source
    }

    /// The token.
    pub(super) fn token(&self) -> &Address {
        &self.token
    }

    /// Most blocks of one question, as the file has it.
    pub(super) fn blocks_max(&self) -> Option<u64> {
        self.turns.source.blocks_max.map(u64::from)
    }

    /// Makes a call of the caller's in its turn.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, JobError> {
        self.turns.call(call).await
    }

    /// Whether the source tells blocks' hashes and proves by them what it answers.
    pub(super) fn node(&self) -> Option<&Node> {
        match &self.client {
            Client::Node(node) => Some(node),
            Client::Explorer(_) => None,
        }
    }

    /// Refuses a source of another chain.
    pub(super) async fn check_chain(&self, chain_id: u64) -> Result<(), JobError> {
        let answered = match &self.client {
            Client::Node(node) => Some(self.turns.call(node.chain_id()).await?),
            Client::Explorer(explorer) => explorer.chain_id(),
        };
        if answered == Some(chain_id) {
            return Ok(());
        }
        let answered = answered.map_or("no chain".to_owned(), |id| format!("chain {id}"));
        Err(JobError::Incident(format!("the source is of {answered}, not of chain {chain_id}")))
    }

    /// The last block.
    pub(super) async fn head(&self) -> Result<Block, JobError> {
        match &self.client {
            Client::Node(node) => self.turns.call(node.head()).await,
            Client::Explorer(explorer) => self.turns.call(explorer.head()).await,
        }
    }

    /// A block that the chain had a moment ago.
    pub(super) async fn block(&self, height: u64) -> Result<Block, JobError> {
        let block = match &self.client {
            Client::Node(node) => self.turns.call(node.block(height)).await?,
            Client::Explorer(explorer) => self.turns.call(explorer.block(height)).await?,
        };
        block.ok_or_else(|| shorter(height))
    }

    /// Blocks that the chain had a moment ago, in the order of the heights.
    pub(super) async fn blocks(&self, heights: &[u64]) -> Result<Vec<Block>, JobError> {
        let mut blocks = Vec::with_capacity(heights.len());
        let mut batch_max = Node::BATCH_MAX;
        while let Some(&next) = heights.get(blocks.len()) {
            let rest = &heights[blocks.len()..];
            let node = self.node().filter(|_| batch_max > 1 && rest.len() > 1);
            let Some(node) = node else {
                blocks.push(self.block(next).await?);
                continue;
            };
            let batch = &rest[..rest.len().min(batch_max)];
            match self.turns.call(node.blocks(batch)).await {
                Ok(answered) => {
                    for (block, &height) in answered.into_iter().zip(batch) {
                        blocks.push(block.ok_or_else(|| shorter(height))?);
                    }
                }
                // Some take fewer questions at once, or one at a time.
                Err(JobError::Source(SourceError::TooMuch(_) | SourceError::Unsupported(_))) => {
                    batch_max /= 4;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(blocks)
    }

    /// Logs of a range in the order of the chain, or why there are too many.
    pub(super) async fn logs(&self, range: Range) -> Result<Result<Vec<Log>, Advice>, JobError> {
        match &self.client {
            Client::Node(node) => self.turns.call(of_logs(node.logs(&self.token, range))).await,
            Client::Explorer(explorer) => self.pages(explorer, range).await,
        }
    }

    /// Logs of blocks by their hashes, which are asked for without doubt about which blocks are
    /// meant. Only of a node.
    pub(super) async fn logs_of_blocks(
        &self,
        node: &Node,
        blocks: &[(Hash, u64)],
    ) -> Result<Vec<Vec<Log>>, JobError> {
        let mut lists = Vec::with_capacity(blocks.len());
        let mut batch_max = Node::BATCH_MAX;
        while lists.len() < blocks.len() {
            let rest = &blocks[lists.len()..];
            let batch = &rest[..rest.len().min(batch_max)];
            match self.turns.call(node.logs_of_blocks(&self.token, batch)).await {
                Ok(mut answered) => lists.append(&mut answered),
                Err(JobError::Source(SourceError::UnknownPlace(_))) => {
                    return Err(changing());
                }
                Err(JobError::Source(SourceError::TooMuch(_))) if batch.len() > 1 => {
                    batch_max = batch.len() / 2;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(lists)
    }

    /// What the token says of itself.
    pub(super) async fn token_facts(&self) -> Result<TokenFacts, JobError> {
        match &self.client {
            Client::Node(node) => self.turns.call(node.token_facts(&self.token)).await,
            Client::Explorer(explorer) => {
                let mut returned = Vec::new();
                for call in TokenFacts::CALLS {
                    let answer = self.turns.call(explorer.call(&self.token, call)).await?;
                    returned.push(answer.unwrap_or_default());
                }
                Ok(TokenFacts::read(&returned))
            }
        }
    }

    async fn pages(
        &self,
        explorer: &Explorer,
        range: Range,
    ) -> Result<Result<Vec<Log>, Advice>, JobError> {
        let mut place = Place::first(range, Explorer::PAGE_LOGS);
        let mut logs: Vec<Log> = Vec::new();
        loop {
            let page = of_logs(explorer.logs_page(&self.token, &place));
            let page = match self.turns.call(page).await? {
                Ok(page) => page,
                Err(advice) => return Ok(Err(advice)),
            };
            let count = page.len() as u64;
            let last = page.last().map_or(place.range.first, |log| log.height);
            logs.extend(page);
            let next = place.next(count, last);
            let next = next.map_err(|fault| JobError::Incident(fault.to_string()))?;
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        // What was seen twice is left out.
        crate::domain::erc20::logs::check(&mut logs, range)
            .map_err(|fault| malformed(&fault.to_string()))?;
        Ok(Ok(logs))
    }
}

async fn of_logs(
    call: impl Future<Output = Result<Vec<Log>, LogsError>>,
) -> Result<Result<Vec<Log>, Advice>, SourceError> {
    match call.await {
        Ok(logs) => Ok(Ok(logs)),
        Err(LogsError::TooMuch { advice, why }) => {
            tracing::debug!(why, "a range was too much");
            Ok(Err(advice))
        }
        Err(LogsError::Source(error)) => Err(error),
    }
}

/// A block that was there is not any more.
fn shorter(height: u64) -> JobError {
    JobError::Inconsistent(format!("the source has no block {height} any more"))
}

/// The chain is not what it was when the walk began.
pub(super) fn changing() -> JobError {
    JobError::Inconsistent("the chain changed while it was read".to_owned())
}
