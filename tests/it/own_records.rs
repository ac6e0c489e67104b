//! What a user sees and changes: every rpc that the role may call, about the user's own records,
//! about somebody else's and about what does not exist.
//!
//! Somebody else's must look exactly like what does not exist: code, message and details.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use daybook::{
    access::{NewToken, RecordedToken, create_token},
    config::AuthMode,
    domain::access::{Role, Token},
    grpc::pb::{
        transactions_service,
        v1::{
            AccountKey, AddWalletRequest, AllAccounts, BatchSumAmountRequest,
            BatchSumAmountResponse, BucketUnit, Direction, GetBalanceRequest,
            GetTransactionRequest, GetUserRequest, HistogramRequest, ListTransactionsRequest,
            ListTransactionsResponse, ListUsersRequest, ListUsersResponse, ListWalletsRequest,
            RemoveWalletRequest, SumAmountRequest, SumAmountResponse, SumSeriesRequest, Window,
            batch_sum_amount_result::Outcome, get_balance_request, get_transaction_request,
            get_user_request, histogram_request, list_transactions_request, sum_amount_request,
            sum_series_request,
        },
    },
};
use prost::Message;
use prost_types::Timestamp;
use rand::RngExt;
use tonic::Code;
use uuid::Uuid;

use crate::support::{
    ledger::{TestUser, add, add_account, add_user, ensure_days, track},
    raw::{RawAnswer, RawClient},
    schema::one,
    service::{TestService, new_target, settings},
};

const ANALYTICS: &str = "/daybook.v1.AnalyticsService/";
const LEDGER: &str = "/daybook.v1.LedgerService/";
const ORIGINAL: &str = "/transactions_service.Transactions/SumAmount";

/// A Bitcoin address that nobody tracks, and one that nobody has recorded.
const BITCOIN: [&str; 2] =
    ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"];

/// A served ledger of two users, each with a payments account and an account of a bank.
struct Guarded {
    service: TestService,
    client: RawClient,
    ann: TestUser,
    bob: TestUser,
    /// Ids of a row of Ann's, and of one that is not.
    rows: [Uuid; 2],
}

impl Guarded {
    async fn new() -> Self {
        let mut settings = settings();
        settings.server.auth = AuthMode::On;
        // Some ask hundreds of questions at once.
        settings.server.token_concurrency_max = 0;
        let service = TestService::start_with(new_target(), settings).await;
        let sql = &service.sql;
        ensure_days(sql, &["2024-05-05"]).await;
        let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
        let cid = add_user(sql, "cid").await;
        for (user, address) in [(&ann, "ann's"), (&bob, "bob's")] {
            track(sql, user.user_id, add_account(sql, "bank", address).await).await;
        }
        add_account(sql, "bitcoin", BITCOIN[0]).await;
        let own = add(sql, "2024-05-05T10:00:00Z", ann.account_id, bob.account_id, "1").await;
        let other = add(sql, "2024-05-05T11:00:00Z", bob.account_id, cid.account_id, "2").await;
        let refer = "UPDATE transactions SET reference = 'r'";
        sql.batch_execute(refer).await.unwrap();
        let client = RawClient::open(service.address).await;
        Self { service, client, ann, bob, rows: [own, other] }
    }

    async fn token(&self, role: Role, user_uuid: Option<Uuid>) -> String {
        let token = Token::new(rand::rng().random());
        let new = NewToken {
            token_id: Uuid::new_v4(),
            name: role.as_str().to_owned(),
            hash: token.hash(),
            role,
            user_uuid,
            certificate_name: None,
            expires_days: None,
        };
        let made = create_token(&self.service.owner, &new).await.unwrap();
        assert!(matches!(made, RecordedToken::Recorded(_)), "{made:?}");
        format!("Bearer {}", token.to_text())
    }

    async fn ask(&self, authorization: &str, path: &str, message: &[u8]) -> RawAnswer {
        let headers = [("authorization", authorization)];
        self.client.send_with(path, framed(message), &headers).await.unwrap()
    }
}

/// A message behind its head.
fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(message);
    framed.freeze()
}

fn window() -> Option<Window> {
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    // The 5th of May 2024.
    Some(Window { start: at(1_714_867_200), end: at(1_714_953_600) })
}

fn account(network: &str, address: &str) -> AccountKey {
    AccountKey { network: network.to_owned(), address: address.to_owned() }
}

/// Whom a request is about.
#[derive(Clone, Debug)]
enum Whom {
    User(Uuid),
    Account(AccountKey),
}

/// Requests of every rpc that sums or lists.
fn questions(whom: &Whom, verify: bool) -> Vec<(String, Vec<u8>)> {
    let sender = i32::from(Direction::Sender);
    macro_rules! subject {
        ($module:ident) => {
            Some(match whom.clone() {
                Whom::User(uuid) => $module::Subject::UserUuid(uuid.to_string()),
                Whom::Account(account) => $module::Subject::Account(account),
            })
        };
    }
    let sum = SumAmountRequest {
        subject: subject!(sum_amount_request),
        window: window(),
        direction: sender,
        verify,
        ..Default::default()
    };
    let series = SumSeriesRequest {
        subject: subject!(sum_series_request),
        window: window(),
        bucket_unit: i32::from(BucketUnit::Hour),
        bucket_count: 1,
        direction: sender,
        verify,
        ..Default::default()
    };
    let histogram = HistogramRequest {
        subject: subject!(histogram_request),
        window: window(),
        direction: sender,
        ..Default::default()
    };
    let balance =
        GetBalanceRequest { subject: subject!(get_balance_request), verify, ..Default::default() };
    let list = ListTransactionsRequest {
        subject: subject!(list_transactions_request),
        ..Default::default()
    };
    vec![
        (format!("{ANALYTICS}SumAmount"), sum.encode_to_vec()),
        (format!("{ANALYTICS}SumSeries"), series.encode_to_vec()),
        (format!("{ANALYTICS}Histogram"), histogram.encode_to_vec()),
        (format!("{LEDGER}GetBalance"), balance.encode_to_vec()),
        (format!("{LEDGER}ListTransactions"), list.encode_to_vec()),
    ]
}

/// Requests of the rpcs that are about a user alone.
fn user_questions(user: Uuid) -> Vec<(String, Vec<u8>)> {
    let user_uuid = user.to_string();
    let get = GetUserRequest { user: Some(get_user_request::User::UserUuid(user_uuid.clone())) };
    let wallets = ListWalletsRequest { user_uuid: user_uuid.clone(), ..Default::default() };
    let add = AddWalletRequest {
        user_uuid: user_uuid.clone(),
        account: Some(account("bitcoin", BITCOIN[0])),
    };
    let remove = RemoveWalletRequest { user_uuid: user_uuid.clone(), account: add.account.clone() };
    let original = transactions_service::SumAmountRequest {
        user_uuid,
        timestamp_start_utc: "2024-05-05".to_owned(),
        timestamp_end_utc: "2024-05-06".to_owned(),
        direction: "sender".to_owned(),
    };
    vec![
        (format!("{LEDGER}GetUser"), get.encode_to_vec()),
        (format!("{LEDGER}ListWallets"), wallets.encode_to_vec()),
        (format!("{LEDGER}AddWallet"), add.encode_to_vec()),
        (format!("{LEDGER}RemoveWallet"), remove.encode_to_vec()),
        (ORIGINAL.to_owned(), original.encode_to_vec()),
    ]
}

/// What somebody is told, all of it.
fn told(answer: &RawAnswer) -> (Code, String, Vec<u8>) {
    let status = &answer.status;
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

#[tokio::test]
async fn what_is_somebody_elses_looks_like_what_does_not_exist() {
    let guarded = Guarded::new().await;
    let (ann, bob) = (guarded.ann.user_uuid, guarded.bob.user_uuid);
    let user = guarded.token(Role::User, Some(ann)).await;
    let reader = guarded.token(Role::Reader, None).await;
    let admin = guarded.token(Role::Admin, None).await;
    let nobody = Uuid::new_v4();
    let subjects = [
        [Whom::User(ann), Whom::User(bob), Whom::User(nobody)],
        [
            Whom::Account(account("bank", "ann's")),
            Whom::Account(account("bank", "bob's")),
            Whom::Account(account("bank", "nobody's")),
        ],
        [ann, bob, nobody].map(|user| Whom::Account(account("internal", &user.to_string()))),
    ];
    let mut cells = 0;
    for [own, foreign, unknown] in &subjects {
        for verify in [false, true] {
            let [own, foreign, unknown] =
                [own, foreign, unknown].map(|whom| questions(whom, verify));
            for ((own, foreign), unknown) in own.iter().zip(&foreign).zip(&unknown) {
                let path = &own.0;
                let answer = guarded.ask(&user, path, &own.1).await;
                assert_eq!(answer.status.code(), Code::Ok, "{path}: {:?}", answer.status);
                let elses = told(&guarded.ask(&user, path, &foreign.1).await);
                let nothing = told(&guarded.ask(&user, path, &unknown.1).await);
                assert_eq!(elses, nothing, "{path}");
                assert_eq!(elses.0, Code::NotFound, "{path}: {elses:?}");
                // It is there for those who may see everybody's.
                for token in [&reader, &admin] {
                    let answer = guarded.ask(token, path, &foreign.1).await;
                    assert_eq!(answer.status.code(), Code::Ok, "{path}: {:?}", answer.status);
                }
                cells += 1;
            }
        }
    }
    let [own, foreign, unknown] = [ann, bob, nobody].map(user_questions);
    for ((own, foreign), unknown) in own.iter().zip(&foreign).zip(&unknown) {
        let path = &own.0;
        let answer = guarded.ask(&user, path, &own.1).await;
        assert_eq!(answer.status.code(), Code::Ok, "{path}: {:?}", answer.status);
        let elses = told(&guarded.ask(&user, path, &foreign.1).await);
        assert_eq!(elses, told(&guarded.ask(&user, path, &unknown.1).await), "{path}");
        assert_eq!(elses.0, Code::NotFound, "{path}: {elses:?}");
        let answer = guarded.ask(&admin, path, &foreign.1).await;
        assert_eq!(answer.status.code(), Code::Ok, "{path}: {:?}", answer.status);
        cells += 1;
    }
    assert_eq!(cells, 3 * 2 * 5 + 5);
    let wallets = "SELECT count(*) FROM user_wallets w JOIN users USING (user_id)
        WHERE username = 'bob'";
    assert_eq!(one::<i64>(&guarded.service.sql, wallets).await, 2, "nothing of Bob's changed");
}

#[tokio::test]
async fn names_and_ids_of_others_are_unknown_too() {
    let guarded = Guarded::new().await;
    let user = guarded.token(Role::User, Some(guarded.ann.user_uuid)).await;
    let ask = async |path: &str, message: Vec<u8>| {
        told(&guarded.ask(&user, &format!("{LEDGER}{path}"), &message).await)
    };
    let by_name = |name: &str| {
        let user = Some(get_user_request::User::Username(name.to_owned()));
        GetUserRequest { user }.encode_to_vec()
    };
    assert_eq!(ask("GetUser", by_name("ann")).await.0, Code::Ok);
    assert_eq!(ask("GetUser", by_name("bob")).await, ask("GetUser", by_name("nobody")).await);
    let by_id = |id: Uuid| {
        let key = Some(get_transaction_request::Key::TransactionId(id.to_string()));
        GetTransactionRequest { key, ..Default::default() }.encode_to_vec()
    };
    let [own, other] = guarded.rows;
    assert_eq!(ask("GetTransaction", by_id(own)).await.0, Code::Ok);
    let unknown = ask("GetTransaction", by_id(Uuid::new_v4())).await;
    assert_eq!(unknown.0, Code::NotFound);
    assert_eq!(ask("GetTransaction", by_id(other)).await, unknown);
    // Deleted, or of a day that was dropped, they look no different: nor do one's own.
    let delete = format!("DELETE FROM transactions WHERE transaction_id = '{other}'");
    guarded.service.sql.batch_execute(&delete).await.unwrap();
    assert_eq!(ask("GetTransaction", by_id(other)).await, unknown);
    let leaf = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-05 00:00Z'";
    let leaf: String = one(&guarded.service.sql, leaf).await;
    guarded.service.sql.batch_execute(&format!("DROP TABLE {leaf}")).await.unwrap();
    for id in [own, other] {
        assert_eq!(ask("GetTransaction", by_id(id)).await, unknown);
    }
    // References are everybody's words, so what has one cannot be told to a user.
    for reference in ["r", "nothing"] {
        let key = Some(get_transaction_request::Key::Reference(reference.to_owned()));
        let request = GetTransactionRequest { key, ..Default::default() }.encode_to_vec();
        assert_eq!(ask("GetTransaction", request).await.0, Code::PermissionDenied);
    }
}

#[tokio::test]
async fn the_list_of_users_is_the_user_alone() {
    let guarded = Guarded::new().await;
    let ann = guarded.ann.user_uuid;
    let user = guarded.token(Role::User, Some(ann)).await;
    let admin = guarded.token(Role::Admin, None).await;
    let list = async |authorization: &str, request: ListUsersRequest| {
        let path = format!("{LEDGER}ListUsers");
        let answer = guarded.ask(authorization, &path, &request.encode_to_vec()).await;
        let page = ListUsersResponse::decode(answer.message).unwrap();
        assert_eq!(page.next_page_token, "");
        page.users.into_iter().map(|user| user.username).collect::<Vec<_>>()
    };
    let all = ListUsersRequest { page_size: 3, ..Default::default() };
    let of = |part: &str, prefix: &str| ListUsersRequest {
        search: part.to_owned(),
        username_prefix: prefix.to_owned(),
        ..Default::default()
    };
    assert_eq!(list(&user, all.clone()).await, ["ann"]);
    assert_eq!(list(&admin, all).await, ["ann", "bob", "cid"]);
    for (part, prefix, own, everybodys) in [
        ("nn", "", &["ann"][..], &["ann"][..]),
        ("", "a", &["ann"], &["ann"]),
        ("bob", "", &[], &["bob"]),
        ("", "b", &[], &["bob"]),
        ("i", "c", &[], &["cid"]),
    ] {
        assert_eq!(list(&user, of(part, prefix)).await, own, "{part} {prefix}");
        assert_eq!(list(&admin, of(part, prefix)).await, everybodys, "{part} {prefix}");
    }
}

#[tokio::test]
async fn everybodys_sums_are_not_for_a_user() {
    let guarded = Guarded::new().await;
    let user = guarded.token(Role::User, Some(guarded.ann.user_uuid)).await;
    let series = SumSeriesRequest {
        subject: Some(sum_series_request::Subject::All(AllAccounts {})),
        window: window(),
        bucket_unit: i32::from(BucketUnit::Hour),
        bucket_count: 1,
        direction: i32::from(Direction::Sender),
        ..Default::default()
    };
    let histogram = HistogramRequest {
        subject: Some(histogram_request::Subject::All(AllAccounts {})),
        window: window(),
        direction: i32::from(Direction::Sender),
        ..Default::default()
    };
    let list = ListTransactionsRequest {
        subject: Some(list_transactions_request::Subject::All(AllAccounts {})),
        asset: "USD".to_owned(),
        ..Default::default()
    };
    for (path, message) in [
        (format!("{ANALYTICS}SumSeries"), series.encode_to_vec()),
        (format!("{ANALYTICS}Histogram"), histogram.encode_to_vec()),
        (format!("{LEDGER}ListTransactions"), list.encode_to_vec()),
    ] {
        let told = told(&guarded.ask(&user, &path, &message).await);
        assert_eq!(told.0, Code::PermissionDenied, "{path}: {told:?}");
    }
}

#[tokio::test]
async fn a_batch_and_callers_at_once_are_told_each_their_own() {
    let guarded = Guarded::new().await;
    let (ann, bob) = (guarded.ann.user_uuid, guarded.bob.user_uuid);
    let tokens =
        [guarded.token(Role::User, Some(ann)).await, guarded.token(Role::User, Some(bob)).await];
    let question = |whom: Whom| {
        let message = questions(&whom, false).remove(0).1;
        SumAmountRequest::decode(&message[..]).unwrap()
    };
    let batch = BatchSumAmountRequest {
        questions: vec![
            question(Whom::User(ann)),
            question(Whom::User(bob)),
            question(Whom::Account(account("bank", "ann's"))),
            question(Whom::Account(account("bank", "bob's"))),
            question(Whom::User(Uuid::new_v4())),
        ],
        ..Default::default()
    };
    let path = format!("{ANALYTICS}BatchSumAmount");
    for (token, expected) in tokens.iter().zip([["1.00000", ""], ["", "2.00000"]]) {
        let answer = guarded.ask(token, &path, &batch.encode_to_vec()).await;
        let answer = BatchSumAmountResponse::decode(answer.message).unwrap();
        let sums: Vec<_> = answer
            .results
            .into_iter()
            .map(|result| match result.outcome.unwrap() {
                Outcome::Answer(answer) => answer.sum_amount,
                Outcome::Error(error) => {
                    assert_eq!(error.code, i32::from(Code::NotFound), "{error:?}");
                    String::new()
                }
            })
            .collect();
        let zero = |sum: &str| if sum.is_empty() { "" } else { "0.00000" };
        let [first, second] = expected;
        assert_eq!(sums, [first, second, zero(first), zero(second), ""]);
    }
    // Questions that wait for a connection share a statement, whoever asks.
    let path = format!("{ANALYTICS}SumAmount");
    let ask = async |who: usize, whom: Uuid| {
        let message = question(Whom::User(whom)).encode_to_vec();
        let answer = guarded.ask(&tokens[who], &path, &message).await;
        let is_own = [ann, bob][who] == whom;
        match is_own {
            true => {
                let answer = SumAmountResponse::decode(answer.message).unwrap();
                assert_eq!(answer.sum_amount, ["1.00000", "2.00000"][who]);
            }
            false => assert_eq!(answer.status.code(), Code::NotFound),
        }
    };
    let all = (0..400).map(|place| ask(place % 2, [ann, bob][place / 2 % 2]));
    tokio::time::timeout(Duration::from_secs(60), futures_util::future::join_all(all))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_tracks_what_everybody_can_see_and_not_what_a_bank_keeps() {
    let guarded = Guarded::new().await;
    let (ann, bob) = (guarded.ann.user_uuid, guarded.bob.user_uuid);
    let user = guarded.token(Role::User, Some(ann)).await;
    let change = async |rpc: &str, account: AccountKey| {
        let (user_uuid, account) = (ann.to_string(), Some(account));
        let message = match rpc {
            "AddWallet" => AddWalletRequest { user_uuid, account }.encode_to_vec(),
            _ => RemoveWalletRequest { user_uuid, account }.encode_to_vec(),
        };
        told(&guarded.ask(&user, &format!("{LEDGER}{rpc}"), &message).await)
    };
    for address in BITCOIN {
        assert_eq!(change("AddWallet", account("bitcoin", address)).await.0, Code::Ok);
    }
    // Recorded or not, tracked by somebody or not: all look the same.
    let refused = change("AddWallet", account("bank", "bob's")).await;
    assert_eq!(refused.0, Code::PermissionDenied);
    assert_eq!(change("AddWallet", account("bank", "nobody's")).await, refused);
    let payments = change("AddWallet", account("internal", &bob.to_string())).await;
    assert_eq!(payments.0, Code::InvalidArgument);
    let removed = change("RemoveWallet", account("bank", "bob's")).await;
    assert_eq!(removed, change("RemoveWallet", account("bank", "nobody's")).await);
    assert_eq!(removed.0, Code::Ok);
    // What a user gives up is the user's no more.
    let balance = questions(&Whom::Account(account("bank", "ann's")), false);
    let (path, message) = &balance[3];
    assert_eq!(guarded.ask(&user, path, message).await.status.code(), Code::Ok);
    assert_eq!(change("RemoveWallet", account("bank", "ann's")).await.0, Code::Ok);
    assert_eq!(guarded.ask(&user, path, message).await.status.code(), Code::NotFound);
    let noted = "SELECT string_agg(split_part(principal, ' ', 1) || ' ' || action, ', '
        ORDER BY entry_id) FROM audit_log WHERE action NOT LIKE '%token'";
    let expected = "user add wallet, user add wallet, user remove wallet";
    assert_eq!(one::<String>(&guarded.service.sql, noted).await, expected);
}

#[tokio::test]
async fn a_page_that_was_given_to_one_is_none_of_anothers() {
    let guarded = Guarded::new().await;
    let (ann, bob) = (guarded.ann.user_uuid, guarded.bob.user_uuid);
    let user = guarded.token(Role::User, Some(ann)).await;
    let reader = guarded.token(Role::Reader, None).await;
    let path = format!("{LEDGER}ListTransactions");
    let mut list = ListTransactionsRequest {
        subject: Some(list_transactions_request::Subject::UserUuid(bob.to_string())),
        page_size: 1,
        ..Default::default()
    };
    let first = guarded.ask(&reader, &path, &list.encode_to_vec()).await;
    let first = ListTransactionsResponse::decode(first.message).unwrap();
    assert!(!first.next_page_token.is_empty());
    list.page_token = first.next_page_token;
    let answer = guarded.ask(&user, &path, &list.encode_to_vec()).await;
    assert_eq!(answer.status.code(), Code::NotFound);
    assert!(answer.message.is_empty());
}

#[tokio::test]
async fn tokens_of_a_user_end_with_the_user() {
    let guarded = Guarded::new().await;
    let ann = guarded.ann.user_uuid;
    guarded.token(Role::User, Some(ann)).await;
    guarded.token(Role::User, Some(guarded.bob.user_uuid)).await;
    let admin = guarded.token(Role::Admin, None).await;
    let request =
        daybook::grpc::pb::v1::DeleteUserRequest { user_uuid: ann.to_string(), anonymise: true };
    let path = format!("{LEDGER}DeleteUser");
    let answer = guarded.ask(&admin, &path, &request.encode_to_vec()).await;
    assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
    let revoked = "SELECT string_agg(user_uuid::text, ',') FROM access_tokens
        WHERE revoked_at IS NOT NULL";
    assert_eq!(one::<String>(&guarded.service.sql, revoked).await, ann.to_string());
}
