//! `ListTransfers`: every transfer once and in order, by address, by block and by time, while
//! others come.

use daybook::grpc::pb::v1::{
    BlockRange, ListOrder, ListTransfersRequest, ListTransfersResponse, TokenKey, Transfer, Window,
    list_transfers_request::Range,
};
use num_bigint::BigInt;
use prost_types::Timestamp;
use rand::RngExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    invalid_requests::{bad_tokens, fields},
    support::{
        random::random,
        token::{FIRST, Moved, NETWORK, SECOND, TestToken, decimal, random_blocks, token_key},
    },
};

fn timestamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(SECOND) * 1_000).unwrap();
    Timestamp { seconds: micros.div_euclid(SECOND), nanos }
}

fn blocks(first: i64, last: Option<i64>) -> Option<Range> {
    Some(Range::Blocks(BlockRange { first, last }))
}

fn window(start: i64, end: i64) -> Option<Range> {
    let (start, end) = (Some(timestamp(start)), Some(timestamp(end)));
    Some(Range::Window(Window { start, end }))
}

async fn ask(
    token: &TestToken,
    request: &ListTransfersRequest,
) -> Result<ListTransfersResponse, Status> {
    token.client().list_transfers(request.clone()).await.map(tonic::Response::into_inner)
}

/// All pages together.
async fn walk(token: &TestToken, mut request: ListTransfersRequest) -> Vec<Transfer> {
    let mut transfers = Vec::new();
    loop {
        let answer = ask(token, &request).await.unwrap();
        let is_last = answer.next_page_token.is_empty();
        assert!(is_last || !answer.transfers.is_empty(), "{request:?}");
        transfers.extend(answer.transfers);
        if is_last {
            return transfers;
        }
        request.page_token = answer.next_page_token;
    }
}

/// The transfers that fit, oldest first.
fn expected(token: &TestToken, fits: impl Fn(&Moved) -> bool) -> Vec<Transfer> {
    let mut moved: Vec<_> = token.moved.iter().filter(|moved| fits(moved)).collect();
    moved.sort_by_key(|moved| (moved.height, moved.log));
    let transfer = |moved: &&Moved| Transfer {
        height: moved.height,
        log_index: moved.log,
        mined_at: Some(timestamp(moved.micros)),
        transaction_hash: format!("0x{:x}", (moved.height << 24) + moved.log),
        sender: token.accounts[moved.from].0.clone(),
        receiver: token.accounts[moved.to].0.clone(),
        amount: decimal(&moved.units),
        transaction_id: String::new(),
    };
    moved.iter().map(transfer).collect()
}

/// Compares all pages, in both orders, with the transfers that fit.
async fn check(token: &TestToken, request: &ListTransfersRequest, fits: impl Fn(&Moved) -> bool) {
    let mut expected = expected(token, fits);
    for order in [ListOrder::OldestFirst, ListOrder::NewestFirst] {
        let request = ListTransfersRequest { order: order.into(), ..request.clone() };
        let mut found = walk(token, request.clone()).await;
        for transfer in &mut found {
            assert!(!transfer.transaction_id.is_empty());
            transfer.transaction_id.clear();
        }
        assert_eq!(found, expected, "{request:?}");
        expected.reverse();
    }
}

#[tokio::test]
async fn every_transfer_comes_once_and_in_order() {
    let mut random = random();
    let mut token = TestToken::start(8).await;
    let all = random_blocks(&mut random, (50, FIRST), 8, 60);
    let (sealed, live) = all.split_at(40);
    token.mine(sealed).await;
    token.seal().await;
    token.mine(live).await;
    let (last, end, _) = all.last().unwrap().clone();
    token.set_head(last + 1, end, last - 5).await;

    let request = ListTransfersRequest { token: token_key(), ..Default::default() };
    check(&token, &request, |_| true).await;
    for place in [0, 1, 8] {
        let address = token.accounts[place].0.to_uppercase().replace("0X", "0x");
        let request = ListTransfersRequest { address, page_size: 7, ..request.clone() };
        check(&token, &request, |moved| moved.from == place || moved.to == place).await;
    }
    for round in 0..25 {
        let (one, other) = (random.random_range(45..last + 5), random.random_range(45..last + 5));
        let (first, end) = (one.min(other), one.max(other));
        let place = random.random_range(0..8);
        let page_size = random.random_range(1..20);
        let request = ListTransfersRequest { page_size, ..request.clone() };
        let of_blocks = ListTransfersRequest { range: blocks(first, Some(end)), ..request.clone() };
        check(&token, &of_blocks, |moved| (first..=end).contains(&moved.height)).await;
        if round % 5 == 0 {
            let address = token.accounts[place].0.clone();
            let range = blocks(first, None);
            let of_one = ListTransfersRequest { address, range, ..request.clone() };
            let is_own = |moved: &Moved| moved.from == place || moved.to == place;
            check(&token, &of_one, |moved| moved.height >= first && is_own(moved)).await;
            let at = |number: usize| all[number % all.len()].1;
            let (start, end) = (at(round), at(round + 20) + 1);
            let of_window = ListTransfersRequest { range: window(start, end), ..request };
            check(&token, &of_window, |moved| (start..end).contains(&moved.micros)).await;
        }
    }
    let answer = ask(&token, &request).await.unwrap();
    let head = answer.head.unwrap();
    assert_eq!((answer.first_height, head.height, head.is_final), (0, last + 1, false));
}

#[tokio::test]
async fn blocks_of_one_second_are_told_apart() {
    let mut token = TestToken::start(2).await;
    let one = || vec![(0, 1, BigInt::from(1)), (1, 2, BigInt::from(1))];
    let at = FIRST + SECOND;
    token.mine(&[(4, at, one()), (5, at, one()), (6, at, one())]).await;
    token.set_head(6, at, 6).await;
    let request = ListTransfersRequest { token: token_key(), page_size: 1, ..Default::default() };
    for (first, last) in [(4, 4), (5, 5), (6, 6), (4, 5), (5, 6), (0, 3), (7, 9), (0, i64::MAX)] {
        let range = blocks(first, Some(last));
        let request = ListTransfersRequest { range, ..request.clone() };
        check(&token, &request, |moved| (first..=last).contains(&moved.height)).await;
    }
}

#[tokio::test]
async fn pages_go_on_while_blocks_come() {
    let mut random = random();
    let mut token = TestToken::start(5).await;
    let all = random_blocks(&mut random, (0, FIRST), 5, 30);
    token.mine(&all[..10]).await;
    token.set_head(all[9].0, all[9].1, 0).await;
    let mut request = ListTransfersRequest {
        token: token_key(),
        order: ListOrder::OldestFirst.into(),
        page_size: 1,
        ..Default::default()
    };
    let mut found = Vec::new();
    for block in &all[10..] {
        let answer = ask(&token, &request).await.unwrap();
        found.extend(answer.transfers.iter().map(|row| (row.height, row.log_index)));
        assert!(!answer.next_page_token.is_empty(), "blocks come faster than they are listed");
        request.page_token = answer.next_page_token;
        token.mine(std::slice::from_ref(block)).await;
        token.set_head(block.0, block.1, 0).await;
    }
    let rest = walk(&token, request).await;
    found.extend(rest.iter().map(|row| (row.height, row.log_index)));
    let wanted: Vec<_> = expected(&token, |_| true);
    assert_eq!(found, wanted.iter().map(|row| (row.height, row.log_index)).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_never_had_it_has_no_transfers() {
    let mut token = TestToken::start(3).await;
    let request = ListTransfersRequest { token: token_key(), ..Default::default() };
    let status = ask(&token, &request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let details = status.get_details_precondition_failure().unwrap();
    assert_eq!(details.violations[0].r#type, "TOKEN_NOT_SYNCED");
    token.mine(&[(1, FIRST, vec![(0, 1, BigInt::from(5))])]).await;
    token.set_head(1, FIRST, 1).await;
    let unknown = "0x00000000000000000000000000000000000000ff".to_owned();
    for address in [token.accounts[2].0.clone(), unknown] {
        let request = ListTransfersRequest { address, ..request.clone() };
        assert!(ask(&token, &request).await.unwrap().transfers.is_empty());
    }
    let other = TokenKey { network: NETWORK.to_owned(), contract: token.accounts[1].0.clone() };
    let other = ListTransfersRequest { token: Some(other), ..request };
    assert_eq!(ask(&token, &other).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let mut token = TestToken::start(2).await;
    token.mine(&[(1, FIRST, vec![(0, 1, BigInt::from(5)), (1, 2, BigInt::from(5))])]).await;
    token.set_head(1, FIRST, 1).await;
    let good = ListTransfersRequest { token: token_key(), ..Default::default() };
    let with = |change: fn(&mut ListTransfersRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let mut cases = vec![
        (with(|it| it.token = None), vec!["token"]),
        (with(|it| it.address = "0x12".into()), vec!["address"]),
        (with(|it| it.order = 7), vec!["order"]),
        (with(|it| it.page_size = 1_001), vec!["page_size"]),
        (with(|it| it.range = blocks(-1, None)), vec!["blocks.first"]),
        (with(|it| it.range = blocks(5, Some(4))), vec!["blocks.last"]),
        (with(|it| it.range = blocks(-2, Some(-3))), vec!["blocks.first", "blocks.last"]),
        (with(|it| it.range = window(FIRST, FIRST)), vec!["window.end"]),
        (
            with(|it| it.range = Some(Range::Window(Window::default()))),
            vec!["window.start", "window.end"],
        ),
        (
            with(|it| {
                it.token = Some(TokenKey { network: "Ethereum".into(), contract: "0x".into() });
                it.address = "\u{7}".into();
            }),
            vec!["token.network", "address"],
        ),
    ];
    for page_token in bad_tokens() {
        cases.push((ListTransfersRequest { page_token, ..good.clone() }, vec!["page_token"]));
    }
    for (request, expected) in cases {
        let status = ask(&token, &request).await.unwrap_err();
        assert_eq!(fields(&status), expected, "{request:?}");
    }
    let first = ListTransfersRequest { page_size: 1, ..good };
    let page_token = ask(&token, &first).await.unwrap().next_page_token;
    assert!(!page_token.is_empty());
    let other = ListTransfersRequest { page_token, range: blocks(0, None), ..first };
    assert_eq!(fields(&ask(&token, &other).await.unwrap_err()), ["page_token"]);
}
