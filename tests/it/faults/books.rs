//! What writers know: what they sent, what was said of it, and so what must be in the ledger.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    net::SocketAddr,
};

use daybook::grpc::pb::v1::{
    AccountKey, ChunkAcknowledgement, Direction, NewTransaction, RefusalReason, SumAmountRequest,
    SumAmountResponse, sum_amount_request::Subject,
};
use prost::Message;
use prost_types::Timestamp;
use tokio_postgres::Client;
use tonic::Code;
use uuid::Uuid;

use crate::{
    sum_amount::window,
    support::{
        raw::{RawClient, SUM_AMOUNT},
        schema::one,
        upload::bank,
    },
};

/// Accounts that rows move amounts between.
pub(super) const ACCOUNTS: usize = 8;

/// What a row says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Content {
    pub(super) micros: i64,
    pub(super) position: i64,
    pub(super) sender: usize,
    pub(super) receiver: usize,
    pub(super) cents: i64,
    pub(super) reference: String,
}

/// What a row's fate must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It is recorded, or was before.
    Recorded,
    /// Other writers send other rows of the same id: one of them is recorded, the others are
    /// refused.
    Contested,
    /// It is refused for this, and nothing of its id is recorded.
    Refused(RefusalReason),
    /// It is refused because its id is recorded with other content.
    Differs,
}

/// A row that is sent until it is acknowledged.
#[derive(Clone, Debug)]
pub(super) struct SentRow {
    pub(super) id: Uuid,
    pub(super) content: Content,
    pub(super) message: NewTransaction,
    pub(super) fate: Fate,
}

/// What all writers know together.
#[derive(Debug, Default)]
pub(super) struct Books {
    recorded: HashMap<Uuid, Content>,
    refused: HashSet<Uuid>,
    lost_contests: HashSet<Uuid>,
    said_recorded: i64,
    said_present: i64,
    said_refused: usize,
    /// Chunks that were acknowledged.
    pub(super) chunks: u64,
    /// Streams that broke, or could not be opened.
    pub(super) broken: u64,
    /// Questions that were answered meanwhile, and verified against the rows.
    pub(super) answers: u64,
}

impl Content {
    /// The row as it is sent.
    pub(super) fn message(&self, id: Uuid) -> NewTransaction {
        NewTransaction {
            transaction_id: id.to_string(),
            occurred_at: Some(Timestamp {
                seconds: self.micros.div_euclid(1_000_000),
                nanos: i32::try_from(self.micros.rem_euclid(1_000_000) * 1_000).unwrap(),
            }),
            position: self.position,
            asset: String::new(),
            sender: account(self.sender),
            receiver: account(self.receiver),
            amount: amount(self.cents),
            reference: self.reference.clone(),
        }
    }
}

/// Key of an account.
pub(super) fn account(place: usize) -> Option<AccountKey> {
    bank(&place.to_string())
}

/// An amount as it is sent.
fn amount(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl Books {
    /// Notes what was said of a chunk, which must be what had to be said.
    pub(super) fn settle(&mut self, rows: &[SentRow], said: &ChunkAcknowledgement) {
        let counted = said.recorded_count + said.already_present_count;
        let counted = usize::try_from(counted).unwrap() + said.refused.len();
        assert_eq!(counted, rows.len(), "every row is counted once: {said:?}");
        let refused: HashMap<usize, RefusalReason> = said
            .refused
            .iter()
            .map(|row| (usize::try_from(row.row_index).unwrap(), row.reason()))
            .collect();
        for (index, row) in rows.iter().enumerate() {
            match refused.get(&index) {
                None => self.note_recorded(row),
                Some(reason) => self.note_refused(row, *reason),
            }
        }
        self.said_recorded += i64::from(said.recorded_count);
        self.said_present += i64::from(said.already_present_count);
        self.said_refused += said.refused.len();
        self.chunks += 1;
    }

    fn note_recorded(&mut self, row: &SentRow) {
        let is_right = matches!(row.fate, Fate::Recorded | Fate::Contested);
        assert!(is_right, "{row:?} is said to be recorded");
        let known = self.recorded.entry(row.id).or_insert_with(|| row.content.clone());
        assert_eq!(*known, row.content, "two rows of one id are said to be recorded");
    }

    fn note_refused(&mut self, row: &SentRow, reason: RefusalReason) {
        match row.fate {
            Fate::Recorded => panic!("{row:?} is refused: {reason:?}"),
            Fate::Contested => {
                assert_eq!(reason, RefusalReason::OtherContent, "{row:?}");
                self.lost_contests.insert(row.id);
            }
            Fate::Refused(expected) => {
                assert_eq!(reason, expected, "{row:?}");
                self.refused.insert(row.id);
            }
            Fate::Differs => assert_eq!(reason, RefusalReason::OtherContent, "{row:?}"),
        }
    }

    /// The ledger must hold what was acknowledged and nothing else, and answer so.
    pub(super) async fn check(&self, sql: &Client, address: SocketAddr) {
        let found = ledger(sql).await;
        for (id, content) in &self.recorded {
            assert_eq!(found.get(id), Some(content), "{id} was acknowledged");
        }
        for id in found.keys() {
            assert!(self.recorded.contains_key(id), "{id} is there and was not acknowledged");
        }
        for id in &self.refused {
            assert!(!self.recorded.contains_key(id), "{id} was refused, and recorded");
        }
        for id in &self.lost_contests {
            assert!(self.recorded.contains_key(id), "{id} was refused for a row that is missing");
        }
        let count = i64::try_from(found.len()).unwrap();
        let known: i64 = one(sql, "SELECT count(*) FROM transaction_ids").await;
        assert_eq!(known, count, "ids that are known without a row");
        assert!(self.said_recorded <= count, "{} were said to be new", self.said_recorded);
        assert!(count > 100 && self.said_refused > 0, "there was something to check");
        self.check_sums(address).await;
    }

    /// Sums of every account, on both sides, verified against the rows.
    async fn check_sums(&self, address: SocketAddr) {
        let client = RawClient::open(address).await;
        let mut expected = BTreeMap::<(usize, i32), (i64, i64)>::new();
        for content in self.recorded.values() {
            for (account, direction) in
                [(content.sender, Direction::Sender), (content.receiver, Direction::Receiver)]
            {
                let sums = expected.entry((account, direction.into())).or_default();
                *sums = (sums.0 + 1, sums.1 + content.cents);
            }
        }
        assert_eq!(expected.len(), 2 * ACCOUNTS, "every account has rows");
        for ((account, direction), (count, cents)) in expected {
            let answer =
                client.call(SUM_AMOUNT, &question(account, direction), None).await.unwrap();
            assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
            let answer = SumAmountResponse::decode(answer.message).unwrap();
            let found = (answer.transaction_count, &*answer.sum_amount);
            assert_eq!(found, (count, &*format!("{}000", amount(cents))), "account {account}");
            assert!(answer.verification.expect("it was asked for").agrees);
        }
    }
}

/// Asks for everything that an account sent or received, and to have it verified.
pub(super) fn question(place: usize, direction: i32) -> SumAmountRequest {
    SumAmountRequest {
        subject: account(place).map(Subject::Account),
        window: window("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        direction,
        verify: true,
        ..SumAmountRequest::default()
    }
}

/// All rows that the ledger has, by id; none may be there twice.
async fn ledger(sql: &Client) -> HashMap<Uuid, Content> {
    let text = "SELECT t.transaction_id, t.occurred_at, t.position, s.address, r.address, \
                    (100 * t.amount)::bigint, t.reference \
                FROM transactions t \
                JOIN accounts s ON s.account_id = t.sender_id \
                JOIN accounts r ON r.account_id = t.receiver_id";
    let mut found = HashMap::new();
    for row in sql.query(text, &[]).await.unwrap() {
        let occurred_at: chrono::DateTime<chrono::Utc> = row.get(1);
        let place = |column: usize| row.get::<_, &str>(column).parse().unwrap();
        let content = Content {
            micros: occurred_at.timestamp_micros(),
            position: row.get(2),
            sender: place(3),
            receiver: place(4),
            cents: row.get(5),
            reference: row.get::<_, Option<String>>(6).unwrap_or_default(),
        };
        let id = row.get(0);
        assert_eq!(found.insert(id, content), None, "{id} is there twice");
    }
    found
}

impl fmt::Display for Books {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorded, said_recorded, said_present, said_refused, .. } = self;
        let Self { chunks, broken, answers, lost_contests, .. } = self;
        let count = recorded.len();
        write!(
            formatter,
            "{count} rows recorded once ({said_recorded} acknowledged as new, {said_present} as \
             present), {said_refused} refused ({} for another row of the same id), {chunks} \
             chunks acknowledged, {broken} streams broken, {answers} answers verified meanwhile",
            lost_contests.len()
        )
    }
}
