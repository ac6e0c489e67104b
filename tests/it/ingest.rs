//! Recording chunks without a stream around them: what becomes of each row, whatever is
//! there already and whoever else records the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use daybook::{
    domain::{
        account::AccountKey,
        decimal::Decimal,
        refusal::RefusalReason,
        transaction::{NewTransaction, RowRules},
    },
    ingest::{ChunkOutcome, Ingest, RecordOptions},
    store::{Database, days},
};
use uuid::Uuid;

use crate::support::{
    cluster::eventually,
    ledger::{add_account, add_user, at},
    schema::{TestSchema, one},
};

/// A day long ago that has a partition from the start.
const DAY: &str = "2024-05-05";

const CREATING: RecordOptions = RecordOptions {
    create_accounts: true,
    new_assets: BTreeMap::new(),
    rules: RowRules::New,
    whole_chunks_only: false,
    look_first: false,
};

struct Recorder {
    schema: TestSchema,
    ingest: Ingest,
}

impl Recorder {
    /// On a schema with the accounts a and b of the network bank.
    async fn new() -> Self {
        let schema = TestSchema::prepared().await;
        schema.ensure(&[DAY.parse().unwrap()]).await;
        for address in ["a", "b"] {
            add_account(&schema.sql, "bank", address).await;
        }
        let ingest = Ingest::new(&schema.database, &schema.settings.partitions);
        Self { schema, ingest }
    }

    async fn record(&self, rows: &[NewTransaction]) -> ChunkOutcome {
        self.record_with(rows, RecordOptions::default()).await
    }

    async fn record_with(&self, rows: &[NewTransaction], options: RecordOptions) -> ChunkOutcome {
        let outcome = self.ingest.record(rows.to_vec(), &options).await.unwrap();
        assert_eq!(outcome.ids.len(), rows.len());
        self.check().await;
        outcome
    }

    /// The register is what the rows are, and so are the corrections.
    async fn check(&self) {
        let wrong = "SELECT count(*) FROM transactions t
            FULL JOIN (SELECT * FROM transaction_ids WHERE deleted_at IS NULL) i
                USING (transaction_id)
            WHERE (t.occurred_at, transaction_content_hash(t.occurred_at, t.position, t.sender_id,
                t.receiver_id, t.asset_id, t.amount, t.reference))
            IS DISTINCT FROM (i.occurred_at, i.content_hash)";
        assert_eq!(one::<i64>(&self.schema.sql, wrong).await, 0, "the register is not the rows'");
        let uncounted = "SELECT (SELECT count(*) FROM transactions)
            - (SELECT coalesce(sum(row_count), 0) FROM corrections)";
        assert_eq!(one::<i64>(&self.schema.sql, uncounted).await, 0, "rows without corrections");
    }

    async fn count(&self) -> i64 {
        one(&self.schema.sql, "SELECT count(*) FROM transactions").await
    }
}

fn account(address: &str) -> AccountKey {
    AccountKey::canonical("bank", address).unwrap()
}

fn amount(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn noon() -> DateTime<Utc> {
    at("2024-05-05T12:00:00.000001Z")
}

/// A row with an id of its own.
fn row(number: u128) -> NewTransaction {
    NewTransaction {
        transaction_id: Some(Uuid::from_u128(number)),
        occurred_at: noon(),
        position: 7,
        asset_code: Arc::from("USD"),
        sender: account("a"),
        receiver: account("b"),
        amount: amount("12.5"),
        reference: Some("first".to_owned()),
    }
}

/// Recorded, already present, and what was refused: place, reason, field.
type Summary = (usize, usize, Vec<(usize, RefusalReason, &'static str)>);

fn summary(outcome: &ChunkOutcome) -> Summary {
    let refused = outcome
        .refused
        .iter()
        .map(|refusal| (refusal.index, refusal.fault.reason, refusal.fault.field))
        .collect();
    (outcome.recorded, outcome.already_present, refused)
}

#[tokio::test]
async fn a_row_is_recorded_once_with_all_it_says() {
    let recorder = Recorder::new().await;
    let fine = "INSERT INTO assets (code, name, decimals) VALUES ('FINE', '', 77)";
    recorder.schema.sql.batch_execute(fine).await.unwrap();
    let huge = format!("{}.{}1", "9".repeat(78), "0".repeat(76));
    let rows = [
        row(1),
        NewTransaction { reference: None, position: -3, ..row(2) },
        NewTransaction { amount: amount(&huge), asset_code: Arc::from("FINE"), ..row(3) },
        NewTransaction { sender: account("b"), amount: amount("1000000"), ..row(4) },
    ];
    assert_eq!(summary(&recorder.record(&rows).await), (4, 0, vec![]));
    assert_eq!(summary(&recorder.record(&rows).await), (0, 4, vec![]));
    let look_first = RecordOptions { look_first: true, ..RecordOptions::default() };
    assert_eq!(summary(&recorder.record_with(&rows, look_first).await), (0, 4, vec![]));
    let text = "SELECT string_agg(concat_ws(' ', position, s.address, r.address, amount,
            coalesce(reference, '-'), to_char(occurred_at, 'HH24:MI:SS.US')), ', '
            ORDER BY transaction_id)
        FROM transactions t JOIN accounts s ON s.account_id = sender_id
        JOIN accounts r ON r.account_id = receiver_id";
    let expected = format!(
        "7 a b 12.50000 first 12:00:00.000001, -3 a b 12.50000 - 12:00:00.000001, \
         7 a b {huge} first 12:00:00.000001, 7 b b 1000000.00000 first 12:00:00.000001"
    );
    assert_eq!(one::<String>(&recorder.schema.sql, text).await, expected);
}

#[tokio::test]
async fn an_id_with_other_content_is_refused_by_the_field_that_differs() {
    let recorder = Recorder::new().await;
    let add = "INSERT INTO assets (code, name, decimals) VALUES ('EUR', 'Euro', 2)";
    recorder.schema.sql.batch_execute(add).await.unwrap();
    recorder.record(&[row(1)]).await;
    let changed: [(&str, NewTransaction); 9] = [
        (
            "occurred_at",
            NewTransaction { occurred_at: noon() + TimeDelta::microseconds(1), ..row(1) },
        ),
        ("occurred_at", NewTransaction { occurred_at: noon() + TimeDelta::days(1), ..row(1) }),
        ("position", NewTransaction { position: 8, ..row(1) }),
        ("asset", NewTransaction { asset_code: Arc::from("EUR"), ..row(1) }),
        ("sender", NewTransaction { sender: account("b"), ..row(1) }),
        ("receiver", NewTransaction { receiver: account("a"), ..row(1) }),
        ("amount", NewTransaction { amount: amount("12.50001"), ..row(1) }),
        ("reference", NewTransaction { reference: None, ..row(1) }),
        ("reference", NewTransaction { reference: Some("other".to_owned()), ..row(1) }),
    ];
    for (number, (field, other)) in (100..).zip(changed) {
        let outcome = recorder.record(&[other.clone(), row(number), row(1)]).await;
        let refused = vec![(0, RefusalReason::OtherContent, field)];
        // The one that says the same as what is recorded stands behind one that does not.
        let same = vec![refused[0], (2, RefusalReason::OtherContent, field)];
        assert_eq!(summary(&outcome), (1, 0, same), "{other:?}");
        assert_eq!(summary(&recorder.record(&[other, row(1)][..1]).await), (0, 0, refused));
        let message = &outcome.refused[0].fault.message;
        assert_eq!(message, &"differs from what is recorded under this transaction_id");
    }
    assert_eq!(recorder.count().await, 10);
}

#[tokio::test]
async fn repeated_ids_of_one_chunk_count_once() {
    let recorder = Recorder::new().await;
    let other = NewTransaction { amount: amount("13"), ..row(2) };
    let rows = [row(1), row(2), row(1), other.clone(), row(2), row(1)];
    let refused = vec![(3, RefusalReason::OtherContent, "amount")];
    assert_eq!(summary(&recorder.record(&rows).await), (2, 3, refused.clone()));
    assert_eq!(summary(&recorder.record(&rows).await), (0, 5, refused));
    // The first of them is refused: those that say the same are, too.
    let wrong = NewTransaction { amount: amount("99"), ..row(1) };
    let refused = vec![
        (0, RefusalReason::OtherContent, "amount"),
        (1, RefusalReason::OtherContent, "amount"),
    ];
    assert_eq!(summary(&recorder.record(&[wrong.clone(), wrong]).await), (0, 0, refused));
}

#[tokio::test]
async fn wrong_rows_are_refused_and_the_others_recorded() {
    let recorder = Recorder::new().await;
    let user = add_user(&recorder.schema.sql, "ann").await.user_uuid;
    let internal = |uuid: Uuid| AccountKey::canonical("internal", &uuid.to_string()).unwrap();
    let rows = [
        row(1),
        NewTransaction { amount: amount("0"), ..row(2) },
        NewTransaction { asset_code: Arc::from("XXX"), ..row(3) },
        NewTransaction { asset_code: Arc::from("a\0"), ..row(4) },
        NewTransaction { sender: account("new"), ..row(5) },
        NewTransaction { receiver: internal(Uuid::from_u128(9)), ..row(6) },
        NewTransaction { receiver: internal(user), ..row(7) },
        NewTransaction { reference: Some(String::new()), ..row(8) },
    ];
    let mut refused = vec![
        (1, RefusalReason::WrongField, "amount"),
        (2, RefusalReason::UnknownAsset, "asset"),
        (3, RefusalReason::UnknownAsset, "asset"),
        (4, RefusalReason::UnknownAccount, "sender"),
        (5, RefusalReason::UnknownAccount, "receiver"),
        (7, RefusalReason::WrongField, "reference"),
    ];
    assert_eq!(summary(&recorder.record(&rows).await), (2, 0, refused.clone()));
    refused.remove(3);
    assert_eq!(summary(&recorder.record_with(&rows, CREATING).await), (1, 2, refused));
    let made = "SELECT string_agg(address, ' ') FROM accounts WHERE network = 'bank'";
    assert_eq!(one::<String>(&recorder.schema.sql, made).await, "a b new");
}

#[tokio::test]
async fn a_chunk_can_be_recorded_whole_or_not_at_all() {
    let recorder = Recorder::new().await;
    let whole = RecordOptions { whole_chunks_only: true, ..RecordOptions::default() };
    let wrong = NewTransaction { sender: account("nobody"), ..row(2) };
    let refused = vec![(1, RefusalReason::UnknownAccount, "sender")];
    assert_eq!(
        summary(&recorder.record_with(&[row(1), wrong], whole.clone()).await),
        (0, 0, refused)
    );
    assert_eq!(recorder.count().await, 0);
    assert_eq!(
        summary(&recorder.record_with(&[row(1), row(3)], whole.clone()).await),
        (2, 0, vec![])
    );
    // What is wrong with the second is known only once the ids were looked up.
    let other = NewTransaction { position: 0, ..row(3) };
    let rows = [row(1), other, row(4)];
    let refused = vec![(1, RefusalReason::OtherContent, "position")];
    assert_eq!(summary(&recorder.record_with(&rows, whole).await), (0, 1, refused));
    assert_eq!(recorder.count().await, 2);
}

#[tokio::test]
async fn refused_rows_bring_no_account_and_no_asset_along() {
    let recorder = Recorder::new().await;
    assert_eq!(summary(&recorder.record(&[row(1)]).await), (1, 0, vec![]));
    let to =
        |address: &str, row: NewTransaction| NewTransaction { receiver: account(address), ..row };
    let far = NewTransaction { occurred_at: at("1900-01-01T00:00:00Z"), ..row(3) };
    let code: Arc<str> = Arc::from("NEW");
    let of_new = |row| NewTransaction { asset_code: Arc::clone(&code), ..row };
    let rows = [
        to("v", row(1)),
        to("w", NewTransaction { amount: amount("0"), ..row(2) }),
        to("x", far),
        to("y", NewTransaction { asset_code: Arc::from("XXX"), ..row(4) }),
        to("z", NewTransaction { amount: amount("0.000001"), ..row(5) }),
        of_new(NewTransaction { amount: amount("0.001"), ..row(6) }),
    ];
    let new_assets = BTreeMap::from([(Arc::clone(&code), 2)]);
    let options = RecordOptions { new_assets, ..CREATING };
    let refused = vec![
        (0, RefusalReason::OtherContent, "receiver"),
        (1, RefusalReason::WrongField, "amount"),
        (2, RefusalReason::DayOutOfRange, "occurred_at"),
        (3, RefusalReason::UnknownAsset, "asset"),
        (4, RefusalReason::WrongField, "amount"),
        (5, RefusalReason::WrongField, "amount"),
    ];
    assert_eq!(summary(&recorder.record_with(&rows, options.clone()).await), (0, 0, refused));
    let whole = RecordOptions { whole_chunks_only: true, ..options.clone() };
    let good = of_new(to("u", row(7)));
    let outcome = recorder.record_with(&[good.clone(), to("v", row(1))], whole).await;
    assert_eq!(summary(&outcome).0, 0);
    let made = "SELECT (SELECT string_agg(address, ' ' ORDER BY address) FROM accounts) || ' '
        || (SELECT string_agg(code, ' ' ORDER BY code) FROM assets)";
    assert_eq!(one::<String>(&recorder.schema.sql, made).await, "a b USD");
    // Two rows of one stranger, and one id that two strangers stand behind.
    let rows =
        [good.clone(), of_new(to("u", row(8))), of_new(to("u", row(9))), of_new(to("t", row(9)))];
    let refused = vec![(3, RefusalReason::OtherContent, "receiver")];
    assert_eq!(summary(&recorder.record_with(&rows, options).await), (3, 0, refused));
    assert_eq!(one::<String>(&recorder.schema.sql, made).await, "a b u NEW USD");
}

#[tokio::test]
async fn refused_rows_make_no_partition() {
    let recorder = Recorder::new().await;
    assert_eq!(summary(&recorder.record(&[row(1)]).await), (1, 0, vec![]));
    let before = recorder.schema.days().await;
    let on = |day: &str, row: NewTransaction| NewTransaction {
        occurred_at: at(&format!("2024-05-{day}T12:00:00Z")),
        ..row
    };
    let fine = NewTransaction { amount: amount("0.000001"), ..row(2) };
    let rows = [on("06", row(1)), on("07", fine)];
    let refused = vec![
        (0, RefusalReason::OtherContent, "occurred_at"),
        (1, RefusalReason::WrongField, "amount"),
    ];
    assert_eq!(summary(&recorder.record(&rows).await), (0, 0, refused));
    // One that is refused by itself, and one whose id decides.
    let whole = RecordOptions { whole_chunks_only: true, ..RecordOptions::default() };
    let stranger = NewTransaction { sender: account("nobody"), ..row(3) };
    for wrong in [stranger, NewTransaction { position: 8, ..row(1) }] {
        let rows = [wrong, on("08", row(4))];
        let outcome = recorder.record_with(&rows, whole.clone()).await;
        assert_eq!((outcome.recorded, outcome.refused.len()), (0, 1));
    }
    assert_eq!(recorder.schema.days().await, before);
    assert_eq!(summary(&recorder.record(&[on("08", row(4))]).await), (1, 0, vec![]));
    assert_eq!(recorder.schema.days().await.len(), before.len() + 1);
}

/// Others record a row, with its accounts and its asset, between the moment at which these are
/// looked up and the one at which the row's id is.
#[tokio::test]
async fn what_others_record_meanwhile_is_the_same() {
    let recorder = Recorder::new().await;
    let mut other = recorder.schema.more_sql().await;
    let code: Arc<str> = Arc::from("NEW");
    let of_new = |number, sender: &str| NewTransaction {
        sender: account(sender),
        asset_code: Arc::clone(&code),
        reference: None,
        ..row(number)
    };
    let new_assets = BTreeMap::from([(Arc::clone(&code), 2)]);
    let options = RecordOptions { new_assets, ..CREATING };
    let tx = other.transaction().await.unwrap();
    tx.batch_execute("LOCK TABLE transaction_ids IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let recording = tokio::spawn({
        let rows = vec![of_new(1, "u"), of_new(2, "u"), of_new(3, "v")];
        let ingest = recorder.ingest.clone();
        async move { ingest.record(rows, &options).await.unwrap() }
    });
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks
        WHERE relation = 'transaction_ids'::regclass AND NOT granted)";
    eventually("ids are being looked up", async || one(&recorder.schema.sql, waiting).await).await;
    tx.batch_execute(
        "INSERT INTO assets (code, name, decimals) VALUES ('NEW', '', 2);
         INSERT INTO accounts (network, address) VALUES ('bank', 'u')",
    )
    .await
    .unwrap();
    let text = "INSERT INTO transactions
            (occurred_at, position, transaction_id, sender_id, receiver_id, asset_id, amount)
        SELECT $1, 7, $2, u.account_id, b.account_id, s.asset_id, $3::int8::numeric / 10
        FROM accounts u, accounts b, assets s
        WHERE u.address = 'u' AND b.address = 'b' AND s.code = 'NEW'";
    for (id, tenths) in [(1, 125i64), (2, 126)] {
        tx.execute(text, &[&noon(), &Uuid::from_u128(id), &tenths]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let refused = vec![(1, RefusalReason::OtherContent, "amount")];
    assert_eq!(summary(&recording.await.unwrap()), (1, 1, refused));
    recorder.check().await;
}

#[tokio::test]
async fn amounts_have_as_many_decimals_as_their_asset() {
    let recorder = Recorder::new().await;
    let rows = [
        NewTransaction { amount: amount("1.234560"), ..row(1) },
        NewTransaction { amount: amount("1.234567"), ..row(2) },
    ];
    let outcome = recorder.record(&rows).await;
    assert_eq!(summary(&outcome), (1, 0, vec![(1, RefusalReason::WrongField, "amount")]));
    let message = "must have at most 5 decimals, as its asset has";
    assert_eq!(outcome.refused[0].fault.message, message);
    // What plain SQL recorded may be finer, and is known again.
    let recorded = RecordOptions { rules: RowRules::Recorded, ..RecordOptions::default() };
    assert_eq!(summary(&recorder.record_with(&rows, recorded).await), (1, 1, vec![]));
    assert_eq!(summary(&recorder.record(&rows).await), (0, 2, vec![]));
}

#[tokio::test]
async fn ids_are_made_where_they_are_missing() {
    let recorder = Recorder::new().await;
    let without = NewTransaction { transaction_id: None, ..row(1) };
    let outcome = recorder.record(&[without.clone(), row(5), without]).await;
    assert_eq!(summary(&outcome), (3, 0, vec![]));
    assert_eq!(outcome.ids[1], Uuid::from_u128(5));
    assert_eq!([0, 2].map(|place: usize| outcome.ids[place].get_version_num()), [7, 7]);
    for id in outcome.ids {
        let text = format!("SELECT count(*) FROM transactions WHERE transaction_id = '{id}'");
        assert_eq!(one::<i64>(&recorder.schema.sql, &text).await, 1);
    }
}

#[tokio::test]
async fn ids_of_deleted_rows_stay_used() {
    let recorder = Recorder::new().await;
    recorder.record(&[row(1), row(2)]).await;
    let delete =
        format!("DELETE FROM transactions WHERE transaction_id = '{}'", Uuid::from_u128(1));
    recorder.schema.sql.batch_execute(&delete).await.unwrap();
    let refused = vec![(0, RefusalReason::Deleted, "transaction_id")];
    assert_eq!(summary(&recorder.record(&[row(1), row(2), row(3)]).await), (1, 1, refused));
}

fn on(day: NaiveDate, number: u128) -> NewTransaction {
    NewTransaction { occurred_at: day.and_hms_opt(1, 2, 3).unwrap().and_utc(), ..row(number) }
}

#[tokio::test]
async fn missing_days_are_made_within_the_limits() {
    let mut recorder = Recorder::new().await;
    let today = recorder.schema.today().await;
    let mut settings = recorder.schema.settings.partitions.clone();
    settings.partition_days_back_max = 100;
    recorder.ingest = Ingest::new(&recorder.schema.database, &settings);
    let days = |count: i64| today + TimeDelta::days(count);
    let rows = [on(days(-100), 1), on(days(-101), 2), on(days(2), 3), on(days(4), 4), row(5)];
    let refused = vec![
        (1, RefusalReason::DayOutOfRange, "occurred_at"),
        (3, RefusalReason::DayOutOfRange, "occurred_at"),
    ];
    let outcome = recorder.record(&rows).await;
    // The day of the last lies further back, and is there.
    assert_eq!(summary(&outcome), (3, 0, refused));
    let range = format!("must be on a day from {} to {}, UTC", days(-100), days(2));
    assert_eq!(outcome.refused[0].fault.message, range);
    assert!(recorder.schema.days().await.contains(&days(-100)));
    settings.partition_count_max = u32::try_from(recorder.schema.days().await.len()).unwrap() + 1;
    recorder.ingest = Ingest::new(&recorder.schema.database, &settings);
    let rows = [on(days(-50), 6), on(days(-51), 7), row(8)];
    let refused = vec![
        (0, RefusalReason::DayOutOfRange, "occurred_at"),
        (1, RefusalReason::DayOutOfRange, "occurred_at"),
    ];
    let outcome = recorder.record(&rows).await;
    assert_eq!(summary(&outcome), (1, 0, refused));
    let message = &outcome.refused[0].fault.message;
    assert!(message.contains("at most 1 more may get one"), "{message}");
    assert_eq!(summary(&recorder.record(&rows[1..]).await), (1, 1, vec![]));
}

#[tokio::test]
async fn rows_of_days_that_are_gone_are_refused() {
    for is_dropped in [true, false] {
        let recorder = Recorder::new().await;
        let (day, other): (NaiveDate, NaiveDate) =
            (DAY.parse().unwrap(), "2024-05-06".parse().unwrap());
        // From now on the recorder believes that the day is there.
        recorder.record(&[row(1), on(other, 2)]).await;
        let client = recorder.schema.connect().await;
        if is_dropped {
            let today = recorder.schema.today().await;
            let kept = u32::try_from((today - other).num_days()).unwrap();
            assert_eq!(days::drop_oldest(&client, kept).await.unwrap(), Some(day));
        } else {
            let leaf = recorder.schema.leaf(day).await;
            let detach = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
            recorder.schema.sql.batch_execute(&detach).await.unwrap();
            days::note(&client).await.unwrap();
        }
        let rows = [row(3), on(other, 4)];
        let outcome = recorder.ingest.record(rows.to_vec(), &RecordOptions::default()).await;
        let outcome = outcome.unwrap();
        let refused = vec![(0, RefusalReason::DayAbsent, "occurred_at")];
        assert_eq!(summary(&outcome), (1, 0, refused), "{is_dropped}");
        let word = if is_dropped { "dropped by retention" } else { "detached" };
        let message = &outcome.refused[0].fault.message;
        assert!(message.contains(DAY) && message.contains(word), "{message}");
        // Ids outlive their rows, and so does what they stand for.
        let other = NewTransaction { position: 8, ..row(1) };
        for (row, expected) in [
            (row(1), (0, 1, vec![])),
            (other, (0, 0, vec![(0, RefusalReason::OtherContent, "transaction_id")])),
        ] {
            let outcome = recorder.ingest.record(vec![row], &RecordOptions::default()).await;
            assert_eq!(summary(&outcome.unwrap()), expected, "{is_dropped}");
        }
    }
}

/// Recorders with pools and caches of their own, as two servers are.
#[tokio::test]
async fn of_two_servers_with_the_same_ids_one_records_each() {
    let recorder = Recorder::new().await;
    let settings = &recorder.schema.settings;
    let ingests: Vec<Ingest> = (0..2)
        .map(|_| {
            let database = Database::new(&recorder.schema.target, &settings.pool).unwrap();
            Ingest::new(&database, &settings.partitions)
        })
        .collect();
    let ids = 300u128;
    let mut winners = BTreeMap::new();
    for round in 0..12u128 {
        // The same ids in another order; of every third one the content differs.
        let chunk = |server: u128| -> Vec<NewTransaction> {
            let order = (0..ids).map(move |n| if server == 0 { n } else { (n * 7) % ids });
            let row = |n: u128| {
                let differs = n.is_multiple_of(3) && server == 1;
                let text = if differs { "2" } else { "1" };
                let sender = account(&format!("{round}-{}", n % 50));
                NewTransaction { amount: amount(text), sender, ..row(1_000_000 + round * ids + n) }
            };
            order.map(row).collect()
        };
        let creating = CREATING;
        let (first, second) = tokio::join!(
            ingests[0].record(chunk(0), &creating),
            ingests[1].record(chunk(1), &creating)
        );
        let outcomes = [first.unwrap(), second.unwrap()];
        let [one, two] = [0, 1].map(|server: usize| {
            let outcome = &outcomes[server];
            assert!(
                outcome.refused.iter().all(|refusal| {
                    refusal.fault.reason == RefusalReason::OtherContent
                        && refusal.fault.field == "amount"
                }),
                "{:?}",
                outcome.refused
            );
            (outcome.recorded, outcome.already_present, outcome.refused.len())
        });
        let all = usize::try_from(ids).unwrap();
        assert_eq!(one.0 + two.0, all, "each id is recorded by one of them: {one:?} {two:?}");
        assert_eq!(one.2 + two.2, all / 3, "{one:?} {two:?}");
        *winners.entry(one.0 > 0).or_insert(0) += 1;
    }
    recorder.check().await;
    assert_eq!(recorder.count().await, i64::try_from(12 * ids).unwrap());
}

/// Cut off before and after the rows are in, the first time that somebody writes.
#[tokio::test]
async fn a_connection_that_is_cut_off_is_replaced() {
    for when in ["BEFORE", "AFTER"] {
        let recorder = Recorder::new().await;
        let cut = format!(
            "CREATE SEQUENCE cuts;
             CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF nextval('cuts') = 1 THEN
                     PERFORM pg_terminate_backend(pg_backend_pid());
                 END IF;
                 RETURN NULL;
             END $$;
             CREATE TRIGGER zz_cut {when} INSERT ON transactions
                 FOR EACH STATEMENT EXECUTE FUNCTION cut()"
        );
        recorder.schema.sql.batch_execute(&cut).await.unwrap();
        assert_eq!(summary(&recorder.record(&[row(1), row(2)]).await), (2, 0, vec![]), "{when}");
        let tries = "SELECT last_value FROM cuts";
        assert_eq!(one::<i64>(&recorder.schema.sql, tries).await, 2, "{when}");
    }
}

/// Several chunks at once take turns for the connections, and none gives up.
#[tokio::test]
async fn more_chunks_than_connections_wait_for_their_turn() {
    let mut recorder = Recorder::new().await;
    let mut pool = recorder.schema.settings.pool.clone();
    (pool.ingest_pool_size, pool.pool_wait_ms) = (1, 1);
    let database = Database::new(&recorder.schema.target, &pool).unwrap();
    recorder.ingest = Ingest::new(&database, &recorder.schema.settings.partitions);
    let chunks = (0..8u128).map(|chunk| {
        let rows: Vec<_> = (0..100).map(|n| row(chunk * 100 + n)).collect();
        let ingest = recorder.ingest.clone();
        async move { ingest.record(rows, &RecordOptions::default()).await.unwrap().recorded }
    });
    let recorded: usize = futures_util::future::join_all(chunks).await.into_iter().sum();
    assert_eq!(recorded, 800);
    recorder.check().await;
    assert!(database.close(Duration::from_secs(5)).await);
}
