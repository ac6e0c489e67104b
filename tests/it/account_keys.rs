//! Account keys: one address is one account, however a request writes it, and an address
//! that its network does not have is refused.

use daybook::{
    grpc::pb::v1::{
        AccountKey, AccountPopulation, BucketUnit, Direction, GetBalanceRequest, HistogramRequest,
        RankMetric, RankRequest, SumAmountRequest, SumSeriesRequest, get_balance_request,
        histogram_request,
        rank_request::{Population, StandingOf},
        sum_amount_request, sum_series_request,
    },
    store::migrate::{MIGRATIONS, apply, prepare},
    upkeep::migrate::migrate,
};
use tonic::Status;

use crate::{
    invalid_requests::fields,
    sum_amount::window,
    support::{
        ledger::{add, add_account, add_known_user, add_user, ensure_days},
        records::key,
        schema::{TestSchema, one, refusal, state},
        service::{TestService, new_target, settings},
    },
};

const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// Networks, addresses as they are recorded, and another way to write each.
const ADDRESSES: [(&str, &str, &str); 4] = [
    ("internal", UUID, "67E5504410B1426F9247BB680E5FE0C8"),
    (
        "ethereum",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    ),
    (
        "bitcoin",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    ),
    ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
];

/// What each rpc that takes an account counts, or how it refuses.
async fn ask(service: &TestService, key: &AccountKey) -> Vec<Result<i64, Status>> {
    let (mut analytics, mut ledger) = (service.analytics().await, service.ledger().await);
    let window = window("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");
    let direction = Direction::Sender.into();
    let sum = SumAmountRequest {
        subject: Some(sum_amount_request::Subject::Account(key.clone())),
        window,
        direction,
        ..SumAmountRequest::default()
    };
    let series = SumSeriesRequest {
        subject: Some(sum_series_request::Subject::Account(key.clone())),
        window,
        direction,
        bucket_unit: BucketUnit::Day.into(),
        ..SumSeriesRequest::default()
    };
    let histogram = HistogramRequest {
        subject: Some(histogram_request::Subject::Account(key.clone())),
        window,
        direction,
        ..HistogramRequest::default()
    };
    let balance = GetBalanceRequest {
        subject: Some(get_balance_request::Subject::Account(key.clone())),
        ..GetBalanceRequest::default()
    };
    vec![
        analytics.sum_amount(sum).await.map(|answer| answer.get_ref().transaction_count),
        analytics
            .sum_series(series)
            .await
            .map(|answer| answer.get_ref().series[0].buckets[0].transaction_count),
        analytics.histogram(histogram).await.map(|answer| answer.get_ref().transaction_count),
        ledger.get_balance(balance).await.map(|answer| answer.get_ref().sent_count),
    ]
}

fn rank(network: &str, standing: &str) -> RankRequest {
    RankRequest {
        population: Some(Population::Accounts(AccountPopulation { network: network.to_owned() })),
        window: window("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z"),
        direction: Direction::Sender.into(),
        metric: RankMetric::Count.into(),
        standing_of: Some(StandingOf::StandingAddress(standing.to_owned())),
        ..RankRequest::default()
    }
}

#[tokio::test]
async fn an_address_is_found_however_it_is_written() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let user = add_known_user(sql, UUID.parse().unwrap(), "ann").await;
    let bank = add_account(sql, "bank", "a").await;
    for (place, (network, recorded, written)) in ADDRESSES.into_iter().enumerate() {
        let account = match network {
            "internal" => user.account_id,
            _ => add_account(sql, network, recorded).await,
        };
        let count = i64::try_from(place).unwrap() + 1;
        for _ in 0..count {
            add(sql, "2024-05-05T01:00:00Z", account, bank, "1").await;
        }
        for address in [recorded, written] {
            for found in ask(&service, &key(network, address)).await {
                assert_eq!(found.unwrap(), count, "{address}");
            }
            let answer = service.analytics().await.rank(rank(network, address)).await.unwrap();
            let standing = answer.into_inner().standing.unwrap();
            assert_eq!(standing.transaction_count, count, "{address}");
            assert_eq!(standing.account.unwrap().address, recorded);
        }
    }
}

#[tokio::test]
async fn an_address_that_its_network_does_not_have_is_refused() {
    let service = TestService::start().await;
    for (network, address, hint) in [
        ("internal", "nobody", "UUID"),
        ("internal", "{67e55044-10b1-426f-9247-bb680e5fe0c8}", "UUID"),
        ("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "EIP-55"),
        ("ethereum", "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "0x and 40"),
        ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "checksum"),
        ("bitcoin", "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy", "bc1"),
        ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "checksum"),
        ("bitcoin-testnet", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "tb1"),
    ] {
        for refusal in ask(&service, &key(network, address)).await {
            let status = refusal.unwrap_err();
            assert_eq!(fields(&status), ["account.address"], "{network} {address}");
            assert!(status.message().contains(hint), "{hint}: {}", status.message());
        }
        let status = service.analytics().await.rank(rank(network, address)).await.unwrap_err();
        assert_eq!(fields(&status), ["standing_address"], "{network} {address}");
    }
}

#[tokio::test]
async fn no_sql_client_records_an_address_in_another_way() {
    let service = TestService::start().await;
    for (network, recorded, written) in ADDRESSES {
        add_account(&service.sql, network, recorded).await;
        if written != recorded {
            let text = "INSERT INTO accounts (network, address) VALUES ($1, $2)";
            let error = service.sql.execute(text, &[&network, &written]).await.unwrap_err();
            assert_eq!(state(&error), "23514", "{written}");
        }
    }
    for (network, address) in [
        ("internal", "nobody"),
        ("ethereum", "nobody"),
        ("bitcoin", "nobody"),
        ("bitcoin", "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7"),
        ("bitcoin-testnet", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("bitcoin-testnet4", "nobody"),
        ("bitcoin-signet", "nobody"),
        ("bitcoin-regtest", "nobody"),
    ] {
        let text =
            format!("INSERT INTO accounts (network, address) VALUES ('{network}', '{address}')");
        assert_eq!(refusal(&service.sql, &text).await, "23514", "{address}");
    }
}

/// An account that is renamed.
const RENAME: &str = "UPDATE accounts SET address = 'x' WHERE network = 'bank'";

/// Migrations before the one that says how addresses are written.
const BEFORE: usize = 6;

#[tokio::test]
async fn accounts_from_before_get_the_one_spelling_where_nobody_has_it() {
    let schema = TestSchema::unprepared(new_target(), settings()).await;
    let client = schema.connect().await;
    prepare(&client).await.unwrap();
    for migration in &MIGRATIONS[..BEFORE] {
        apply(&client, migration).await.unwrap();
    }
    let ether = |digit: char| format!("0x{}", String::from(digit).repeat(40));
    // Before and after: another spelling, two of one address, no address, another network.
    let cases = [
        ("internal", UUID.to_uppercase(), UUID.to_owned()),
        ("bitcoin", ADDRESSES[2].2.to_owned(), ADDRESSES[2].1.to_owned()),
        ("bitcoin", ADDRESSES[3].1.to_owned(), ADDRESSES[3].1.to_owned()),
        ("ethereum", ether('A'), ether('a')),
        ("ethereum", ether('b'), ether('b')),
        ("ethereum", ether('B'), ether('B')),
        ("ethereum", ADDRESSES[1].2.to_owned(), ADDRESSES[1].1.to_owned()),
        ("ethereum", ADDRESSES[1].2.replace('A', "a"), ADDRESSES[1].2.replace('A', "a")),
        ("ethereum", "Nobody".to_owned(), "Nobody".to_owned()),
        ("bank", "CZ".to_owned(), "CZ".to_owned()),
    ];
    let mut expected = Vec::new();
    for (network, before, after) in &cases {
        let account_id = add_account(&schema.sql, network, before).await;
        expected.push((account_id, after.clone()));
    }
    let ann = add_user(&schema.sql, "ann").await;
    migrate(&schema.database).await.unwrap();
    let text = "SELECT account_id, address FROM accounts WHERE account_id < $1 ORDER BY 1";
    let rows = schema.sql.query(text, &[&ann.account_id]).await.unwrap();
    let found: Vec<(i64, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(found, expected);
    // Accounts are kept from being renamed as before, and users are registered.
    assert_eq!(refusal(&schema.sql, RENAME).await, "0A000");
    let registered = "SELECT user_uuid::text FROM user_uuids WHERE deleted_at IS NULL";
    assert_eq!(one::<String>(&schema.sql, registered).await, ann.user_uuid.to_string());
}
