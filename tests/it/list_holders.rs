//! `ListHolders`: against what transfers come to, computed naively; as of any block; pages while
//! rows come and go.

use chrono::DateTime;
use daybook::grpc::pb::v1::{
    ListHoldersRequest, TokenKey, TokenVerdict, list_holders_request::AsOf,
};
use num_bigint::BigInt;
use prost_types::{Duration, Timestamp};
use rand::{RngExt, seq::IteratorRandom};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    invalid_requests::{bad_tokens, fields},
    support::{
        random::random,
        service::{TestService, new_target, settings},
        token::{
            At, CONTRACT, DAY, FIRST, NETWORK, SECOND, TestToken, decimal, heights, random_blocks,
            token_key,
        },
    },
};

/// A coin, in units.
fn coins(number: i64) -> BigInt {
    BigInt::from(number) * BigInt::from(10).pow(18)
}

fn timestamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(SECOND) * 1_000).unwrap();
    Timestamp { seconds: micros.div_euclid(SECOND), nanos }
}

fn as_of_height(height: i64) -> ListHoldersRequest {
    let as_of = Some(AsOf::AsOfHeight(height));
    ListHoldersRequest { token: token_key(), as_of, ..Default::default() }
}

/// Type and subject of a refusal.
fn obstacle(status: &Status) -> (String, String) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let details = status.get_details_precondition_failure().expect("it has details");
    let violation = details.violations.first().expect("it names what is in the way");
    (violation.r#type.clone(), violation.subject.clone())
}

#[tokio::test]
async fn holders_are_what_transfers_come_to_as_of_any_block() {
    let mut random = random();
    let mut token = TestToken::start(25).await;
    let blocks = random_blocks(&mut random, (100, FIRST), 25, 60);
    let (sealed, live) = blocks.split_at(40);
    token.mine(sealed).await;
    token.seal().await;
    token.mine(live).await;
    let (last, micros, _) = blocks.last().unwrap();
    let head = (last + 2, micros + 24 * SECOND);
    token.set_head(head.0, head.1, *last - 10).await;

    let week = At { height: head.0, changes_after: head.1 - 7 * DAY };
    token.check(&token.holders_request(), week).await;
    let all: Vec<_> = heights(&token).into_iter().filter(|height| *height <= head.0).collect();
    for height in all.into_iter().sample(&mut random, 40) {
        let span = random.random_range(1..10 * DAY);
        let last = token.blocks.range(..=height).next_back().map(|(_, (micros, _))| *micros);
        let at = if height == head.0 { Some(head.1) } else { last };
        let request = ListHoldersRequest {
            span: Some(Duration {
                seconds: span / SECOND,
                nanos: i32::try_from(span % SECOND * 1_000).unwrap(),
            }),
            page_size: random.random_range(1..12),
            ..as_of_height(height)
        };
        let changes_after = at.unwrap_or(FIRST) - span;
        token.check(&request, At { height, changes_after }).await;
    }
}

#[tokio::test]
async fn holders_as_of_an_instant_are_those_of_its_last_block() {
    let mut random = random();
    let mut token = TestToken::start(12).await;
    let blocks = random_blocks(&mut random, (0, FIRST + DAY), 12, 30);
    token.mine(&blocks).await;
    let (last, end, _) = blocks.last().unwrap().clone();
    token.set_head(last, end, 0).await;
    let first = blocks[0].1;
    for round in 0..30 {
        let block = blocks[random.random_range(0..blocks.len())].1;
        let at = match round % 3 {
            0 => block,
            1 => (block + 1).min(end),
            _ => (block - 1).max(first),
        };
        let height = blocks.iter().filter(|block| block.1 <= at).map(|block| block.0).max();
        let request = ListHoldersRequest {
            as_of: Some(AsOf::AsOfTime(timestamp(at))),
            span: Some(Duration { seconds: 86_400, nanos: 0 }),
            page_size: 5,
            ..token.holders_request()
        };
        token.check(&request, At { height: height.unwrap(), changes_after: at - DAY }).await;
    }
    for at in [first - 1, end + 1] {
        let as_of = Some(AsOf::AsOfTime(timestamp(at)));
        let request = ListHoldersRequest { as_of, ..token.holders_request() };
        let status = token.holders(&request).await.unwrap_err();
        assert_eq!(fields(&status), ["as_of_time"]);
        let text = DateTime::from_timestamp_micros(end).unwrap().to_rfc3339();
        assert!(status.message().contains(&text[..19]), "{}", status.message());
    }
}

#[tokio::test]
async fn blocks_of_one_second_are_told_apart() {
    let mut token = TestToken::start(3).await;
    let at = FIRST + 5 * SECOND;
    let blocks = [
        (5, at, vec![(0, 1, coins(10))]),
        (6, at, vec![(1, 2, coins(4)), (0, 3, coins(1))]),
        (8, at, vec![(2, 1, coins(4))]),
    ];
    token.mine(&blocks).await;
    token.set_head(9, at, 9).await;
    for is_sealed in [false, true] {
        if is_sealed {
            token.seal().await;
        }
        for (height, expected) in [
            (4, vec![]),
            (5, vec![(1, 1, 10, "10")]),
            (6, vec![(1, 1, 6, "6"), (2, 2, 4, "4"), (3, 3, 1, "1")]),
            (7, vec![(1, 1, 6, "6"), (2, 2, 4, "4"), (3, 3, 1, "1")]),
            (9, vec![(1, 1, 10, "10"), (2, 3, 1, "1")]),
        ] {
            let answer = token.holders(&as_of_height(height)).await.unwrap();
            let found: Vec<_> =
                answer.holders.iter().map(|row| (row.rank, row.address.clone())).collect();
            let wanted: Vec<_> = expected
                .iter()
                .map(|(rank, place, ..)| (*rank, token.accounts[*place].0.clone()))
                .collect();
            assert_eq!(found, wanted, "{height} {is_sealed}");
            for (row, (_, _, balance, change)) in answer.holders.iter().zip(&expected) {
                assert_eq!(row.balance, decimal(&coins(*balance)));
                assert_eq!(row.change, decimal(&coins(change.parse().unwrap())));
            }
            let as_of = answer.as_of.unwrap();
            assert!(as_of.is_final && as_of.height == height);
            assert_eq!(as_of.hash.is_empty(), height == 4 || height == 7, "{height}");
        }
    }
}

#[tokio::test]
async fn shares_and_changes_are_worked_out_by_hand() {
    let mut token = TestToken::start(4).await;
    let blocks = [
        (1, FIRST, vec![(0, 1, coins(600)), (0, 2, coins(300))]),
        (2, FIRST + 8 * DAY, vec![(1, 3, coins(150)), (0, 4, coins(100)), (2, 0, coins(100))]),
    ];
    token.mine(&blocks).await;
    token.set_head(2, FIRST + 8 * DAY, 1).await;
    let answer = token.holders(&token.holders_request()).await.unwrap();
    let rows: Vec<_> = answer
        .holders
        .iter()
        .map(|row| (row.rank, &row.share_percent[..], &row.change[..], &row.change_percent[..]))
        .collect();
    assert_eq!(
        rows,
        [
            (1, "50.000000", "-150.000000000000000000", "-25.000000"),
            (2, "22.222222", "-100.000000000000000000", "-33.333333"),
            (3, "16.666667", "150.000000000000000000", ""),
            (4, "11.111111", "100.000000000000000000", ""),
        ]
    );
    assert_eq!(answer.supply, decimal(&coins(900)));
    assert!(answer.is_sum_supply && answer.negative_balances.is_empty());
    assert_eq!(answer.changes_after, Some(timestamp(FIRST + DAY)));
    assert_eq!(answer.verdict, i32::from(TokenVerdict::Unknown));
    let as_of = answer.as_of.unwrap();
    assert_eq!((as_of.hash, as_of.is_final), (token.blocks[&2].1.clone(), false));
    assert_eq!(as_of.mined_at, Some(timestamp(FIRST + 8 * DAY)));
}

#[tokio::test]
async fn other_assets_of_the_network_do_not_count() {
    let mut token = TestToken::start(3).await;
    token.mine(&[(1, FIRST, vec![(0, 1, coins(5))])]).await;
    token.set_head(1, FIRST, 1).await;
    let text = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        VALUES ('2024-05-01', $1, $2, 1, 7), ('2024-05-01', $2, $3, 1, 3)";
    let key = |place: usize| token.accounts[place].1;
    token.service.sql.execute(text, &[&key(0), &key(2), &key(3)]).await.unwrap();
    let at = At { height: 1, changes_after: FIRST - 7 * DAY };
    token.check(&token.holders_request(), at).await;
    token.seal().await;
    token.check(&token.holders_request(), at).await;
}

#[tokio::test]
async fn pages_stay_as_of_their_block_while_blocks_come() {
    let mut random = random();
    let mut token = TestToken::start(20).await;
    let mut blocks = random_blocks(&mut random, (0, FIRST), 20, 40);
    for block in &mut blocks[25..] {
        block.0 += 10;
    }
    let (early, late) = blocks.split_at(25);
    token.mine(early).await;
    let (height, micros, _) = early.last().unwrap();
    // A block of which nothing will be known once others follow it.
    let head = height + 1;
    token.set_head(head, *micros, 0).await;
    let at = At { height: head, changes_after: micros - 7 * DAY };
    let expected = token.expected(at);
    let mut request = ListHoldersRequest { page_size: 2, ..token.holders_request() };
    let as_of = token.holders(&request).await.unwrap().as_of;
    assert_eq!(as_of.as_ref().unwrap().height, head);
    let mut found = Vec::new();
    for block in late {
        let answer = token.holders(&request).await.unwrap();
        assert_eq!(answer.supply, expected.supply);
        assert_eq!(answer.as_of, as_of);
        assert_eq!(answer.changes_after, Some(timestamp(at.changes_after)));
        found.extend(answer.holders);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        token.mine(std::slice::from_ref(block)).await;
        token.set_head(block.0, block.1, 0).await;
    }
    assert!(request.page_token.is_empty(), "all pages were asked for");
    assert_eq!(found, expected.holders);
}

#[tokio::test]
async fn a_page_of_blocks_that_are_gone_says_so() {
    let mut token = TestToken::start(4).await;
    let hold = |height| {
        let mint = (1..5).map(|place| (0, place, coins(10 * place as i64))).collect();
        (height, FIRST + height * SECOND, mint)
    };
    token.mine(&[hold(1), hold(5), hold(9)]).await;
    token.set_head(9, FIRST + 9 * SECOND, 1).await;
    let page = ListHoldersRequest { page_size: 1, ..token.holders_request() };
    let early = ListHoldersRequest { page_size: 1, ..as_of_height(1) };
    let middle = ListHoldersRequest { page_size: 1, ..as_of_height(6) };
    let mut pages = Vec::new();
    for request in [page, early, middle] {
        let page_token = token.holders(&request).await.unwrap().next_page_token;
        assert!(!page_token.is_empty());
        pages.push(ListHoldersRequest { page_token, ..request });
    }
    // The head is taken back, and another block takes its place.
    token.withdraw(5).await;
    token.set_head(5, FIRST + 5 * SECOND, 1).await;
    let gone = ("BLOCK_GONE".to_owned(), "9".to_owned());
    assert_eq!(obstacle(&token.holders(&pages[0]).await.unwrap_err()), gone);
    token.mine(&[(9, FIRST + 9 * SECOND, vec![(1, 2, coins(1))])]).await;
    token.set_head(10, FIRST + 10 * SECOND, 1).await;
    assert_eq!(obstacle(&token.holders(&pages[0]).await.unwrap_err()), gone);
    // What was final, and what the chain kept, goes on.
    for request in &pages[1..] {
        let answer = token.holders(request).await.unwrap();
        assert_eq!(answer.holders[0].rank, 2);
    }
    // Begun anew it is the other block's.
    let at = At { height: 10, changes_after: FIRST - 7 * DAY };
    let anew = ListHoldersRequest { page_token: String::new(), ..pages[0].clone() };
    token.check(&anew, at).await;
}

#[tokio::test]
async fn tokens_that_are_not_there_yet_are_refused() {
    let mut token = TestToken::start(2).await;
    let status = token.holders(&token.holders_request()).await.unwrap_err();
    assert_eq!(obstacle(&status), ("TOKEN_NOT_SYNCED".to_owned(), CONTRACT.to_owned()));
    let other = TokenKey { network: NETWORK.to_owned(), contract: token.accounts[1].0.clone() };
    let request = ListHoldersRequest { token: Some(other), ..Default::default() };
    assert_eq!(token.holders(&request).await.unwrap_err().code(), Code::NotFound);
    // A block without a transfer is enough.
    token.set_head(0, FIRST, 0).await;
    let answer = token.holders(&token.holders_request()).await.unwrap();
    assert_eq!((answer.holder_count, &answer.supply[..]), (0, "0.000000000000000000"));
    assert!(answer.is_sum_supply && answer.holders.is_empty());
    token.mine(&[(3, FIRST, vec![(0, 1, coins(1)), (1, 0, coins(1))])]).await;
    token.set_head(3, FIRST, 0).await;
    token.check(&token.holders_request(), At { height: 3, changes_after: FIRST - 7 * DAY }).await;
}

#[tokio::test]
async fn a_token_of_too_many_accounts_is_refused() {
    let mut own = settings();
    own.server.holders_max = 3;
    let service = TestService::start_with(new_target(), own).await;
    let mut token = TestToken::over(service, 3).await;
    let mint = |place: usize| (0, place, coins(1));
    token.mine(&[(1, FIRST, vec![mint(1), mint(2)])]).await;
    token.set_head(1, FIRST, 1).await;
    assert_eq!(token.holders(&token.holders_request()).await.unwrap().holder_count, 2);
    token.mine(&[(2, FIRST + SECOND, vec![mint(3)])]).await;
    token.set_head(2, FIRST + SECOND, 1).await;
    let status = token.holders(&token.holders_request()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_none());
    assert!(status.message().contains("--holders-max"), "{}", status.message());
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let mut token = TestToken::start(2).await;
    token.mine(&[(7, FIRST, vec![(0, 1, coins(1)), (0, 2, coins(1))])]).await;
    token.set_head(9, FIRST + SECOND, 7).await;
    let sql = &token.service.sql;
    sql.execute("UPDATE sync_streams SET first_height = 3", &[]).await.unwrap();
    let good = token.holders_request();
    let mut cases = vec![
        (ListHoldersRequest::default(), vec!["token"]),
        (
            ListHoldersRequest { token: Some(TokenKey::default()), ..good.clone() },
            vec!["token.network", "token.contract"],
        ),
    ];
    for page_size in [-1, 1_001, i32::MIN] {
        cases.push((ListHoldersRequest { page_size, ..good.clone() }, vec!["page_size"]));
    }
    for (seconds, nanos) in
        [(0, 0), (-1, 0), (1, -1), (0, 999), (3_153_600_001, 0), (i64::MAX, 0), (1, 1)]
    {
        let span = Some(Duration { seconds, nanos });
        cases.push((ListHoldersRequest { span, ..good.clone() }, vec!["span"]));
    }
    for height in [i64::MIN, -1, 2, 10, i64::MAX] {
        cases.push((as_of_height(height), vec!["as_of_height"]));
    }
    for at in [Timestamp { seconds: i64::MAX, nanos: 0 }, Timestamp { seconds: 0, nanos: 7 }] {
        let as_of = Some(AsOf::AsOfTime(at));
        cases.push((ListHoldersRequest { as_of, ..good.clone() }, vec!["as_of_time"]));
    }
    for page_token in bad_tokens() {
        cases.push((ListHoldersRequest { page_token, ..good.clone() }, vec!["page_token"]));
    }
    for (request, expected) in cases {
        let status = token.holders(&request).await.unwrap_err();
        assert_eq!(fields(&status), expected, "{request:?}");
    }
    let first = ListHoldersRequest { page_size: 1, ..good };
    let page_token = token.holders(&first).await.unwrap().next_page_token;
    let bigger = ListHoldersRequest { page_size: 5, page_token: page_token.clone(), ..first };
    assert_eq!(token.holders(&bigger).await.unwrap().holders.len(), 1);
    let other = ListHoldersRequest { page_token, page_size: 1, ..as_of_height(8) };
    assert_eq!(fields(&token.holders(&other).await.unwrap_err()), ["page_token"]);
    let range = token.holders(&as_of_height(2)).await.unwrap_err();
    assert!(range.message().contains("3 to 9"), "{}", range.message());
}
