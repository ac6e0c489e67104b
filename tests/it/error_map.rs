//! Each error that a client can be told is forced once: it has the code of the map, and nothing
//! in it that is not the client's.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use daybook::{
    config::{AuthMode, ServeSettings},
    domain::access::Role,
    grpc::pb::v1::{
        CreateUserRequest, DeleteUserRequest, Direction, GetUserRequest, ListUsersRequest,
        RankMetric, RankRequest, SumAmountRequest, get_user_request::User as By,
        sum_amount_request::Subject,
    },
};
use prost::Message;
use tonic::{Code, Status};

use crate::{
    access::token_of,
    sum_amount::window,
    support::{
        ledger::{add, add_known_user, add_user, ensure_days},
        raw::{LIST_USERS, RawClient, SUM_AMOUNT},
        service::{TestService, new_target, settings},
    },
};

const GET_USER: &str = "/daybook.v1.LedgerService/GetUser";
const CREATE_USER: &str = "/daybook.v1.LedgerService/CreateUser";
const DELETE_USER: &str = "/daybook.v1.LedgerService/DeleteUser";
const RANK: &str = "/daybook.v1.AnalyticsService/Rank";

/// Somebody who is there.
const ANN: &str = "11111111-2222-4333-8444-555555555555";

/// What no client is to read: statements, relations, folders, hosts, sources, and values of rows.
const INNER_WORDS: [&str; 16] = [
    "SELECT",
    "INSERT",
    "UPDATE ",
    "public.",
    "pg_",
    "_pkey",
    "_key",
    "running_totals",
    "/tmp",
    "/var",
    "127.0.0.1",
    "localhost",
    "src/",
    ".rs",
    "secret",
    "canary",
];

/// States of Postgres, and what they mean to a client.
const STATES: [(&str, Code, &str); 15] = [
    ("57014", Code::DeadlineExceeded, "the deadline passed"),
    ("57P01", Code::Unavailable, "the database is away"),
    ("57P03", Code::Unavailable, "the database is away"),
    ("08006", Code::Unavailable, "the database is away"),
    ("25006", Code::Unavailable, "the database is away"),
    ("53300", Code::Unavailable, "the database is busy"),
    ("53100", Code::ResourceExhausted, "the database is out of disk or memory"),
    ("53200", Code::ResourceExhausted, "the database is out of disk or memory"),
    ("40001", Code::Aborted, ""),
    ("40P01", Code::Aborted, ""),
    ("55P03", Code::Aborted, ""),
    ("22003", Code::OutOfRange, ""),
    ("23514", Code::Internal, "internal error"),
    ("42P01", Code::Internal, "internal error"),
    ("XX001", Code::Internal, "internal error"),
];

async fn start(change: impl FnOnce(&mut ServeSettings)) -> TestService {
    let mut settings = settings();
    change(&mut settings);
    TestService::start_with(new_target(), settings).await
}

/// Nothing of this status, its details included, is ours alone.
fn tells_nothing(what: &str, status: &Status) {
    let details = String::from_utf8_lossy(status.details()).into_owned();
    for text in [status.message(), &details] {
        for word in INNER_WORDS {
            assert!(!text.contains(word), "{what}: {word} in {text:?}");
        }
    }
}

fn by_name(username: &str) -> GetUserRequest {
    GetUserRequest { user: Some(By::Username(username.to_owned())) }
}

#[tokio::test]
async fn what_the_database_refuses_is_told_by_its_code_alone() {
    let service = start(|_| ()).await;
    // Reading the name of such a user raises the state that is the username, in words of the
    // database's own, and with a detail.
    let text = "ALTER TABLE users RENAME TO users_kept;
        CREATE FUNCTION raise(state text) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION USING ERRCODE = state, MESSAGE = 'secret of SELECT * FROM pg_class',
                DETAIL = 'canary in a row at /var/lib', CONSTRAINT = 'users_pkey';
        END $$;
        CREATE VIEW users AS
        SELECT user_id, user_uuid, username, created_at, raise(username) AS name FROM users_kept;
        GRANT SELECT ON users TO daybook_service";
    for (state, _, _) in STATES {
        add_user(&service.sql, state).await;
    }
    service.sql.batch_execute(text).await.unwrap();
    let client = RawClient::open(service.address).await;
    for (state, code, message) in STATES {
        let status = client.call(GET_USER, &by_name(state), None).await.unwrap().status;
        assert_eq!(status.code(), code, "{state}: {status:?}");
        assert!(status.message().starts_with(message), "{state}: {status:?}");
        tells_nothing(state, &status);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one of each kind, and then whether that is all of them")]
async fn every_code_is_forced_once_and_tells_nothing_of_ours() {
    let service = start(|settings| {
        settings.server.rank_population_max = 1;
        settings.pool.pool_wait_ms = 200;
    })
    .await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let ann = add_known_user(&service.sql, ANN.parse().unwrap(), "canary of ann").await;
    let bob = add_user(&service.sql, "canary of bob").await;
    add(&service.sql, "2024-05-05T12:00:00Z", ann.account_id, bob.account_id, "987654321").await;
    let client = RawClient::open(service.address).await;
    let mut seen = BTreeSet::new();
    let mut told = |what: &str, code: Code, status: Status| {
        assert_eq!(status.code(), code, "{what}: {status:?}");
        assert!(!status.message().contains("987654321"), "{what}: {status:?}");
        tells_nothing(what, &status);
        seen.insert(format!("{code:?}"));
    };
    let sum = |uuid: &str| SumAmountRequest {
        subject: Some(Subject::UserUuid(uuid.to_owned())),
        direction: Direction::Sender.into(),
        window: window("2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z"),
        ..Default::default()
    };
    let call = async |path: &str, message: Bytes| {
        let framed =
            [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat();
        client.send(path, framed.into(), None).await.unwrap().status
    };
    let encoded = |message: &dyn Encoded| message.bytes();
    told("a wrong field", Code::InvalidArgument, call(SUM_AMOUNT, encoded(&sum("x"))).await);
    told("no message", Code::InvalidArgument, call(SUM_AMOUNT, Bytes::from_static(b"\xff")).await);
    let nobody = sum("00000000-0000-4000-8000-000000000001");
    told("nobody", Code::NotFound, call(SUM_AMOUNT, encoded(&nobody)).await);
    let taken = CreateUserRequest {
        user_uuid: ANN.to_owned(),
        username: "another".to_owned(),
        name: "another".to_owned(),
    };
    told("a UUID that is taken", Code::AlreadyExists, call(CREATE_USER, encoded(&taken)).await);
    let delete = DeleteUserRequest { user_uuid: ANN.to_owned(), ..Default::default() };
    let in_the_way = call(DELETE_USER, encoded(&delete)).await;
    told("rows in the way", Code::FailedPrecondition, in_the_way);
    let rank = RankRequest {
        metric: RankMetric::Sum.into(),
        direction: Direction::Sender.into(),
        window: window("2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z"),
        ..Default::default()
    };
    told("too many", Code::ResourceExhausted, call(RANK, encoded(&rank)).await);
    told("no such rpc", Code::Unimplemented, call("/daybook.v1.X/Y", Bytes::new()).await);
    let late = client.call(SUM_AMOUNT, &sum(ANN), Some("0n")).await.unwrap().status;
    told("no time", Code::DeadlineExceeded, late);

    // Days whose rows are gone.
    let leaf = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-05 00:00Z'";
    let leaf: String = crate::support::schema::one(&service.sql, leaf).await;
    service.sql.batch_execute(&format!("DROP TABLE {leaf}")).await.unwrap();
    service.sql.query("SELECT note_days()", &[]).await.unwrap();
    let part = SumAmountRequest {
        window: window("2024-05-05T11:00:00Z", "2024-05-05T12:30:00Z"),
        ..sum(ANN)
    };
    told("an absent day", Code::FailedPrecondition, call(SUM_AMOUNT, encoded(&part)).await);
    service.sql.batch_execute("ALTER TABLE users RENAME COLUMN name TO canary").await.unwrap();
    told("a fault", Code::Internal, call(GET_USER, encoded(&by_name("canary of ann"))).await);
    // Every connection is at work.
    service.sql.batch_execute("ALTER TABLE users RENAME COLUMN canary TO name").await.unwrap();
    service.sql.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let list = ListUsersRequest::default();
    let held = (0..4).map(|_| client.begin(LIST_USERS, &list));
    let held = futures_util::future::join_all(held).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    told("no connection", Code::Unavailable, call(GET_USER, encoded(&by_name("x"))).await);
    drop(held);
    service.sql.batch_execute("ROLLBACK").await.unwrap();

    let guarded = start(|settings| settings.server.auth = AuthMode::On).await;
    let reader = token_of(&guarded, Role::Reader).await.0.to_text();
    let guarded = RawClient::open(guarded.address).await;
    let stranger = guarded.call(SUM_AMOUNT, &sum(ANN), None).await.unwrap().status;
    told("a stranger", Code::Unauthenticated, stranger);
    let headers = [("authorization", &*format!("Bearer {reader}"))];
    let empty = Bytes::from_static(&[0; 5]);
    let forbidden = guarded.send_with(CREATE_USER, empty, &headers).await.unwrap().status;
    told("a reader", Code::PermissionDenied, forbidden);

    // Those that the states of Postgres above force.
    seen.extend(["Aborted", "OutOfRange"].map(str::to_owned));
    let mapped = (0..=16)
        .map(Code::from)
        .filter(|code| {
            // Ok, and those that only a client's side or nothing of Daybook's says.
            !matches!(code, Code::Ok | Code::Cancelled | Code::Unknown | Code::DataLoss)
        })
        .map(|code| format!("{code:?}"));
    assert_eq!(seen, mapped.collect());
}

/// A message, whatever its type.
trait Encoded {
    fn bytes(&self) -> Bytes;
}

impl<M: Message> Encoded for M {
    fn bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }
}
