//! `TokenService.ListTransfers`: the ledger's list of transactions, in the words of a token.

use std::time::Duration;

use crate::{
    domain::{
        access::Scope, account::AccountKey, chain::height_and_index,
        recorded_transaction::RowPlace, running_total::instants::TimeOrder, window::Window,
    },
    error::{Error, ErrorKind},
    grpc::{
        decode, list_transactions, page, page_token,
        pb::v1::{
            self, ListTransfersRequest, ListTransfersResponse, Transfer,
            list_transfers_request::Range,
        },
        token_service::{block_pb, contract},
        transaction::{page_start, place_text},
        violations::Violations,
    },
    ledger::{
        Ledger,
        list_transactions::{ListAnswer, ListQuestion, ListSubject, ListedTransaction},
    },
    tokens::{
        Tokens,
        list_transfers::{Heights, TransferRows},
    },
};

/// Rows in an answer where the request does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// Most rows in an answer.
const PAGE_SIZE_MAX: usize = 1_000;

/// Times that a list is begun anew because blocks were taken back meanwhile.
const TRIES_MAX: usize = 3;

pub(super) async fn list_transfers(
    (tokens, ledger): (&Tokens, &Ledger),
    bytes_max: usize,
    request: &ListTransfersRequest,
    scope: Scope,
) -> Result<ListTransfersResponse, Error> {
    let cleared =
        ListTransfersRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let question = decode(request, digest)?;
    for _ in 0..TRIES_MAX {
        let rows =
            tokens.transfer_rows(&question.contract, question.heights, question.order).await?;
        let answer = list(ledger, &question, &rows, scope).await?;
        // Where the blocks are was read before the rows: nothing may have been taken back since.
        if question.heights.is_some() {
            let now = tokens.transfer_rows(&question.contract, None, question.order).await?;
            if now.stream.generation != rows.stream.generation {
                continue;
            }
        }
        return encode(answer, &rows, bytes_max, digest);
    }
    Err(Error::new(ErrorKind::Unavailable("the chain takes back blocks: ask again")))
}

/// What is asked for.
struct Question {
    contract: AccountKey,
    account: Option<AccountKey>,
    window: Option<Window>,
    heights: Option<Heights>,
    order: TimeOrder,
    page_size: usize,
    after: Option<RowPlace>,
}

fn decode(request: &ListTransfersRequest, digest: [u8; 8]) -> Result<Question, Error> {
    let mut violations = Violations::default();
    let contract = contract(request.token.as_ref(), &mut violations);
    let account = match request.address.as_str() {
        "" => Some(None),
        text => {
            let network = contract.as_ref().map(AccountKey::network);
            decode::address(network, text, "address", &mut violations).map(Some)
        }
    };
    let (window, heights) = match &request.range {
        None => (Some(None), Some(None)),
        Some(Range::Window(window)) => {
            (decode::window(Some(window), &mut violations).map(Some), Some(None))
        }
        Some(Range::Blocks(blocks)) => (Some(None), heights(*blocks, &mut violations).map(Some)),
    };
    let order = list_transactions::order(request.order, &mut violations);
    let sizes = (PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
    let page_size = decode::page_size(request.page_size, sizes.0, sizes.1, &mut violations);
    let after = page_start(digest, &request.page_token, &mut violations);
    let question = (|| {
        Some(Question {
            contract: contract?,
            account: account?,
            window: window?,
            heights: heights?,
            order: order?,
            page_size: page_size?,
            after: after?,
        })
    })();
    violations.finish(question)
}

fn heights(given: v1::BlockRange, violations: &mut Violations) -> Option<Heights> {
    let first = Some(given.first).filter(|first| *first >= 0);
    let first = violations.require(first, "blocks.first", "must be 0 or more");
    let last = Some(given.last.unwrap_or(i64::MAX)).filter(|last| *last >= given.first);
    let last = violations.require(last, "blocks.last", "must not be below blocks.first");
    Some(Heights { first: first?, last: last? })
}

async fn list(
    ledger: &Ledger,
    question: &Question,
    rows: &TransferRows,
    scope: Scope,
) -> Result<ListAnswer, Error> {
    let none =
        ListAnswer { rows: Vec::new(), has_more: false, took: Duration::ZERO, explanation: None };
    let (window, start) = match &rows.span {
        Some(span) if span.window.is_none() => return Ok(none),
        Some(span) => (span.window, span.after),
        None => (question.window, None),
    };
    let subject = question.account.clone().map_or(ListSubject::All, ListSubject::Account);
    let listed = ListQuestion {
        subject,
        scope,
        asset: Some(rows.asset.clone()),
        window,
        direction: None,
        order: question.order,
        with_running_balance: false,
        page_size: question.page_size,
        after: question.after.or(start),
        series_max: usize::MAX,
        explain: false,
    };
    let mut answer = match ledger.list_transactions(&listed).await {
        // An address that nobody has met never had the token.
        Err(error) if *error.kind() == ErrorKind::NotFound("account") => return Ok(none),
        outcome => outcome?,
    };
    if let Some(heights) = question.heights {
        // Behind the last block come those of the same instant, if any do.
        let held = answer.rows.iter().take_while(|row| heights.hold(position(row))).count();
        answer.has_more &= held == answer.rows.len();
        answer.rows.truncate(held);
    }
    Ok(answer)
}

fn position(row: &ListedTransaction) -> i64 {
    row.transaction.place.position
}

fn encode(
    answer: ListAnswer,
    rows: &TransferRows,
    bytes_max: usize,
    digest: [u8; 8],
) -> Result<ListTransfersResponse, Error> {
    let places: Vec<_> = answer.rows.iter().map(|row| row.transaction.place).collect();
    let mut transfers: Vec<_> = answer.rows.into_iter().map(transfer_pb).collect();
    let is_cut = page::cut_after_first(&mut transfers, page::room(bytes_max))?;
    let last = transfers.len().checked_sub(1).and_then(|last| places.get(last).copied());
    let last = last.filter(|_| is_cut || answer.has_more);
    Ok(ListTransfersResponse {
        transfers,
        next_page_token: page_token::next(digest, last.map(place_text).as_deref()),
        first_height: rows.stream.first_height,
        head: Some(block_pb(&rows.head, &rows.stream)),
        database_seconds: answer.took.as_secs_f64(),
    })
}

fn transfer_pb(row: ListedTransaction) -> Transfer {
    let transaction = row.transaction;
    let RowPlace { occurred_at, position, transaction_id } = transaction.place;
    let (height, log_index) = height_and_index(position);
    let address = |account: AccountKey| account.address().as_str().to_owned();
    Transfer {
        height,
        log_index,
        mined_at: Some(decode::timestamp(occurred_at)),
        transaction_hash: transaction.reference.unwrap_or_default(),
        sender: address(transaction.sender.account),
        receiver: address(transaction.receiver.account),
        amount: transaction.amount.to_text(transaction.asset_decimals),
        transaction_id: transaction_id.to_string(),
    }
}
