//! `daybook.v1.TokenService`: the index of its rpcs, and what their answers share.

use tonic::{Request, Response, Status};

use crate::{
    domain::{
        account::AccountKey,
        token::{KnownBlock, Token, TokenStream, TokenVerdict},
    },
    error::Error,
    grpc::{
        admission::identity,
        decode::{self, AccountFields},
        get_token::get_token,
        list_holders::list_holders,
        list_transfers::list_transfers,
        pb::v1::{
            self, GetTokenRequest, GetTokenResponse, ListHoldersRequest, ListHoldersResponse,
            ListTransfersRequest, ListTransfersResponse, token_service_server::TokenService,
        },
        status::to_status,
        violations::Violations,
    },
    ledger::Ledger,
    tokens::Tokens,
};

/// Serves `TokenService`.
#[derive(Clone)]
pub struct TokenApi {
    tokens: Tokens,
    ledger: Ledger,
    response_bytes_max: usize,
}

impl TokenApi {
    /// Serves these tokens, whose transfers the ledger lists.
    #[must_use]
    pub fn new(tokens: Tokens, ledger: Ledger, response_bytes_max: usize) -> Self {
        Self { tokens, ledger, response_bytes_max }
    }
}

#[tonic::async_trait]
impl TokenService for TokenApi {
    async fn get_token(
        &self,
        request: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        let answer = get_token(&self.tokens, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_holders(
        &self,
        request: Request<ListHoldersRequest>,
    ) -> Result<Response<ListHoldersResponse>, Status> {
        let answer = list_holders(&self.tokens, self.response_bytes_max, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_transfers(
        &self,
        request: Request<ListTransfersRequest>,
    ) -> Result<Response<ListTransfersResponse>, Status> {
        let scope = identity(&request)?.scope;
        let services = (&self.tokens, &self.ledger);
        let answer =
            list_transfers(services, self.response_bytes_max, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }
}

const FIELDS: AccountFields = AccountFields { network: "token.network", address: "token.contract" };

/// Checks the field `token`.
pub(super) fn contract(
    given: Option<&v1::TokenKey>,
    violations: &mut Violations,
) -> Option<AccountKey> {
    let given = violations.require(given, "token", "must be set: a network and a contract")?;
    decode::account_parts(&given.network, &given.contract, FIELDS, violations)
}

/// Checks a request of which nothing but the field `token` can be wrong.
pub(super) fn contract_alone(given: Option<&v1::TokenKey>) -> Result<AccountKey, Error> {
    let mut violations = Violations::default();
    let contract = contract(given, &mut violations);
    violations.finish(contract)
}

/// Which token it is.
pub(super) fn key_pb(token: &Token) -> v1::TokenKey {
    v1::TokenKey { network: token.network.clone(), contract: token.contract.clone() }
}

/// A block of which more is known than its height.
pub(super) fn block_pb(block: &KnownBlock, stream: &TokenStream) -> v1::TokenBlock {
    v1::TokenBlock {
        height: block.height,
        hash: block.hash.clone(),
        mined_at: Some(decode::timestamp(block.mined_at)),
        is_final: block.height <= stream.final_height,
    }
}

/// Whether transfers explain what the contract says.
pub(super) fn verdict_pb(verdict: TokenVerdict) -> i32 {
    i32::from(match verdict {
        TokenVerdict::Unknown => v1::TokenVerdict::Unknown,
        TokenVerdict::Explained => v1::TokenVerdict::Explained,
        TokenVerdict::NotExplained => v1::TokenVerdict::NotExplained,
    })
}
