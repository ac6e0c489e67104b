//! `GetToken`: what is known of a token, and the verdict on its transfers, which comes from samples
//! that its syncing holds against the contract.

use daybook::{
    domain::decimal::Decimal,
    grpc::pb::v1::{GetTokenRequest, Token, TokenKey, TokenSyncState, TokenVerdict},
    store::{
        sync_streams,
        token_checks::{CheckOutcome, note_check, sample},
    },
};
use num_bigint::BigInt;
use tonic::{Code, Status};

use crate::{
    invalid_requests::fields,
    support::{
        random::random,
        service::{TestService, new_target, settings},
        token::{
            At, CONTRACT, DECIMALS, FIRST, NETWORK, SECOND, TestToken, decimal, random_blocks,
            token_key,
        },
    },
};

async fn ask(token: &TestToken) -> Token {
    let request = GetTokenRequest { token: token_key() };
    token.client().get_token(request).await.unwrap().into_inner().token.unwrap()
}

async fn refusal(token: &TestToken, key: Option<TokenKey>) -> Status {
    token.client().get_token(GetTokenRequest { token: key }).await.unwrap_err()
}

/// A coin, in units.
fn coins(number: i64) -> BigInt {
    BigInt::from(number) * BigInt::from(10).pow(18)
}

fn number(units: &BigInt) -> Decimal {
    Decimal::new(units.clone(), u32::try_from(DECIMALS).unwrap())
}

#[tokio::test]
async fn a_token_is_told_before_and_after_it_is_synced() {
    let mut token = TestToken::start(3).await;
    let before = ask(&token).await;
    assert_eq!((&before.name[..], &before.symbol[..], &before.asset[..]), ("COIN", "CN", "COIN"));
    assert_eq!((before.decimals, before.head.clone(), &before.supply[..]), (18, None, ""));
    assert_eq!((before.holder_count, before.negative_count), (None, None));
    assert_eq!(before.sync_state(), TokenSyncState::Never);
    assert_eq!((before.verdict(), before.check.clone()), (TokenVerdict::Unknown, None));

    let blocks = [
        (4, FIRST, vec![(0, 1, coins(10)), (1, 2, coins(4))]),
        (6, FIRST + SECOND, vec![(3, 1, coins(1)), (1, 0, coins(2))]),
    ];
    token.mine(&blocks).await;
    token.set_head(7, FIRST + 2 * SECOND, 6).await;
    let text = "UPDATE sync_streams SET first_height = 2, last_height = 7, transfer_count = 4,
        other_count = 9, synced_at = '2024-05-02'";
    token.service.sql.execute(text, &[]).await.unwrap();
    let after = ask(&token).await;
    let head = after.head.as_ref().unwrap();
    assert_eq!((head.height, &head.hash[..], head.is_final), (7, "0xhead", false));
    assert_eq!((after.first_height, after.last_height), (2, Some(7)));
    assert_eq!(after.supply, decimal(&coins(8)));
    assert_eq!((after.holder_count, after.negative_count), (Some(2), Some(1)));
    assert_eq!((after.transfer_count, after.other_count), (4, 9));
    assert_eq!(after.synced_at.map(|at| at.seconds), Some(FIRST / SECOND + 86_400));
    assert_eq!(after.sync_state(), TokenSyncState::Idle);

    for (state, expected) in [
        ("queued", TokenSyncState::Queued),
        ("running", TokenSyncState::Running),
        ("parked", TokenSyncState::Parked),
    ] {
        let text = "INSERT INTO sync_jobs (job_id, stream_id, network, state, priority)
            VALUES (gen_random_uuid(), $1, $2, $3, 0)
            ON CONFLICT (stream_id) DO UPDATE SET state = excluded.state";
        token.service.sql.execute(text, &[&token.stream_id, &NETWORK, &state]).await.unwrap();
        assert_eq!(ask(&token).await.sync_state(), expected);
    }
}

#[tokio::test]
async fn a_token_of_too_many_accounts_is_told_without_its_holders() {
    let mut own = settings();
    own.server.holders_max = 2;
    let service = TestService::start_with(new_target(), own).await;
    let mut token = TestToken::over(service, 2).await;
    token.mine(&[(1, FIRST, vec![(0, 1, coins(3)), (0, 2, coins(4))])]).await;
    token.set_head(1, FIRST, 1).await;
    let told = ask(&token).await;
    assert_eq!((told.holder_count, told.negative_count), (None, None));
    assert_eq!(told.supply, decimal(&coins(7)));
}

#[tokio::test]
async fn the_latest_comparison_is_the_verdict() {
    let token = TestToken::start(1).await;
    let outcome = |differing, contract_supply: Option<i64>| CheckOutcome {
        height: 12,
        sampled: 20,
        differing,
        recorded_supply: number(&coins(5)),
        contract_supply: contract_supply.map(|supply| number(&coins(supply))),
    };
    for (differing, supply, expected) in [
        (0, None, TokenVerdict::Explained),
        (3, Some(5), TokenVerdict::NotExplained),
        (0, Some(6), TokenVerdict::NotExplained),
        (0, Some(5), TokenVerdict::Explained),
    ] {
        let outcome = outcome(differing, supply);
        note_check(&token.service.database, token.asset_id, &outcome).await.unwrap();
        let told = ask(&token).await;
        assert_eq!(told.verdict(), expected);
        let check = told.check.unwrap();
        assert_eq!((check.height, check.sampled_count, check.differing_count), (12, 20, differing));
        assert_eq!(check.recorded_supply, decimal(&coins(5)));
        let supply = supply.map(|supply| decimal(&coins(supply)));
        assert_eq!(check.contract_supply, supply.unwrap_or_default());
        assert!(check.checked_at.is_some());
    }
}

#[tokio::test]
async fn a_sample_is_as_of_the_last_final_block() {
    let mut random = random();
    let mut token = TestToken::start(30).await;
    let database = token.service.database.clone();
    let take = async |wanted, accounts_max| {
        let stream = sync_streams::get(&database, token.stream_id).await.unwrap().unwrap();
        sample(&database, &stream, wanted, accounts_max).await.unwrap()
    };
    assert_eq!(take(10, 1_000).await, None, "nothing is recorded yet");
    let blocks = random_blocks(&mut random, (0, FIRST), 30, 40);
    token.mine(&blocks).await;
    let (last, end, _) = blocks.last().unwrap().clone();
    let final_height = blocks[25].0;
    token.set_head(last, end, final_height).await;
    token.seal().await;
    let at = At { height: final_height, changes_after: FIRST };
    let expected = token.expected(at);
    let take = async |wanted, accounts_max| {
        let stream = sync_streams::get(&database, token.stream_id).await.unwrap().unwrap();
        sample(&database, &stream, wanted, accounts_max).await.unwrap()
    };
    for wanted in [1, 5, 12, 100] {
        let sample = take(wanted, 1_000).await.unwrap();
        assert_eq!(sample.height, final_height);
        assert_eq!(sample.supply.to_text(18), expected.supply);
        assert!(sample.balances.len() <= wanted);
        let mut of_holders = 0;
        for (address, balance) in &sample.balances {
            assert_ne!(*address, token.accounts[0].0, "the zero address holds nothing");
            let holder = expected.holders.iter().find(|holder| holder.address == *address);
            assert_eq!(holder.is_some(), balance.is_positive(), "{address}");
            if let Some(holder) = holder {
                of_holders += 1;
                assert_eq!(balance.to_text(18), holder.balance);
            }
        }
        assert!(of_holders >= wanted.div_ceil(2).min(expected.holders.len()));
        let largest = &expected.holders[0];
        let ties = expected.holders.iter().filter(|holder| holder.balance == largest.balance);
        let mut ties = ties.map(|holder| &holder.address);
        assert!(ties.any(|own| sample.balances.iter().any(|(address, _)| address == own)));
    }
    assert_eq!(take(10, 3).await, None, "more accounts had it than may be measured");
}

#[tokio::test]
async fn tokens_that_are_not_known_are_not_found() {
    let token = TestToken::start(1).await;
    let key = |network: &str, contract: &str| {
        Some(TokenKey { network: network.to_owned(), contract: contract.to_owned() })
    };
    for other in [key("ethereum", CONTRACT), key(NETWORK, &token.accounts[1].0)] {
        assert_eq!(refusal(&token, other).await.code(), Code::NotFound);
    }
    assert_eq!(fields(&refusal(&token, None).await), ["token"]);
    assert_eq!(fields(&refusal(&token, key(NETWORK, "0x1")).await), ["token.contract"]);
    assert_eq!(fields(&refusal(&token, key("a b", "")).await), ["token.network", "token.contract"]);
}
