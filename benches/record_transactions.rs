//! Recording through the real port, against a binary COPY of the same rows into the same
//! partitions with their indexes in place, by a session whose triggers are off: no register
//! of ids, no corrections, no references checked. Both end durable. By turns, in one run.
//! Then what folding costs, and what the triggers cost a COPY.
//!
//! `cargo bench --bench record_transactions`; DAYBOOK_BENCH_TRANSACTIONS and
//! DAYBOOK_BENCH_DAYS set the size of the seeded database, DAYBOOK_BENCH_ROWS the rows of
//! each measurement, DAYBOOK_BENCH_ROUNDS how often each is repeated.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

mod support;

use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use daybook::{
    domain::decimal::Decimal,
    grpc::pb::v1::{
        AccountKey, NewTransaction, RecordTransactionsRequest, RecordingChunk, RecordingEnd,
        RecordingStart, ingest_service_client::IngestServiceClient,
        record_transactions_request::Message, record_transactions_response::Message as Answer,
    },
    seed::{SeedPlan, people},
    store::binary_copy::CopyBuffer,
    upkeep::sealing::{Sealing, SealingPolicy, seal_once},
    workers,
};
use prost_types::Timestamp;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use support::{Bench, number};
use tokio::{task::JoinHandle, task::JoinSet};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::{Builder, Uuid};

/// Rows of a chunk: as many as a stream may send.
const CHUNK_ROWS: usize = 5_000;

/// Streams that send at once.
const STREAMS: [usize; 3] = [1, 2, 4];

const MICROS_PER_DAY: i64 = 86_400_000_000;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let superuser = bench.superuser().await?;
    bench.seed(&superuser).await?;
    let mut measure = Measure::new(&bench, superuser).await?;
    let rounds = number("DAYBOOK_BENCH_ROUNDS", 3);
    for kind in [Kind::InOrder, Kind::Late] {
        for streams in STREAMS {
            let mut ratios = Vec::new();
            for _ in 0..rounds {
                let copied = measure.copy(kind, Triggers::None).await?;
                let recorded = measure.record(kind, streams).await?;
                println!(
                    "{}, {streams} streams: COPY {:7.0} rows/s, {:5.0} bytes of log a row; \
                     recorded {:7.0} rows/s, {:5.0} bytes; {:.3} of COPY",
                    kind.name(),
                    copied.rate,
                    copied.log_bytes,
                    recorded.rate,
                    recorded.log_bytes,
                    recorded.rate / copied.rate
                );
                ratios.push(recorded.rate / copied.rate);
            }
            ratios.sort_by(f64::total_cmp);
            let middle = ratios[ratios.len() / 2];
            // Read by scripts/bench.
            println!("RATIO {} {streams} {middle:.3}", kind.name());
        }
    }
    measure.fold_cost().await?;
    measure.trigger_cost(rounds).await?;
    bench.stop().await
}

/// Which instants rows have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// One after the other, on a day that nothing else is written to.
    InOrder,
    /// Anywhere in the seeded days.
    Late,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::InOrder => "in_order",
            Self::Late => "late",
        }
    }
}

/// Which triggers a COPY goes through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Triggers {
    None,
    /// Those of ids, references and their accounts.
    AllButTotals,
    All,
}

impl Triggers {
    fn name(self) -> &'static str {
        match self {
            Self::None => "no triggers",
            Self::AllButTotals => "all but those of running totals",
            Self::All => "all triggers",
        }
    }

    /// What puts them into force for a session of the superuser.
    fn setting(self) -> &'static str {
        match self {
            Self::None => "SET session_replication_role = replica",
            Self::AllButTotals => {
                "SET session_replication_role = origin;
                ALTER TABLE transactions DISABLE TRIGGER transactions_added_to_totals"
            }
            Self::All => {
                "SET session_replication_role = origin;
                ALTER TABLE transactions ENABLE TRIGGER transactions_added_to_totals"
            }
        }
    }
}

/// A row, before it is written in one way or another.
#[derive(Clone)]
struct Row {
    id: Uuid,
    at: DateTime<Utc>,
    sender: usize,
    receiver: usize,
    units: i64,
}

/// Rows a second, and what each took of the log.
struct Cost {
    rate: f64,
    log_bytes: f64,
}

struct Measure<'a> {
    bench: &'a Bench,
    superuser: Client,
    channel: Channel,
    plan: SeedPlan,
    users: Vec<String>,
    random: ChaCha12Rng,
    rows: usize,
    /// The next day that nothing was written to.
    free_day: NaiveDate,
}

impl<'a> Measure<'a> {
    async fn new(bench: &'a Bench, superuser: Client) -> anyhow::Result<Self> {
        let path = format!("SET search_path = {}", bench.settings.database.schema);
        superuser.batch_execute(&path).await?;
        let plan = bench.plan()?;
        Ok(Self {
            channel: bench.serve().await?,
            bench,
            superuser,
            users: people::users(&plan).iter().map(|user| user.user_uuid.to_string()).collect(),
            free_day: plan.first_day + Days::new(u64::from(plan.day_count)),
            plan,
            random: ChaCha12Rng::seed_from_u64(1),
            rows: usize::try_from(number("DAYBOOK_BENCH_ROWS", 200_000))?,
        })
    }

    /// Rows that nobody has seen before.
    async fn draw(&mut self, kind: Kind, count: usize) -> anyhow::Result<Vec<Row>> {
        let (start, span) = match kind {
            Kind::InOrder => {
                let day = self.free_day;
                self.free_day = day + Days::new(1);
                let ensure = "SELECT ensure_partitions($1, 36500, 100000)";
                self.superuser.query(ensure, &[&vec![day]]).await?;
                (day, MICROS_PER_DAY)
            }
            Kind::Late => (self.plan.first_day, i64::from(self.plan.day_count) * MICROS_PER_DAY),
        };
        let start = start.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc().timestamp_micros();
        let now = Utc::now().timestamp_millis();
        let random = &mut self.random;
        let mut instants: Vec<i64> =
            (0..count).map(|_| start + random.random_range(0..span)).collect();
        if kind == Kind::InOrder {
            instants.sort_unstable();
        }
        let users = self.users.len();
        let row = |at: i64| {
            let millis = if kind == Kind::InOrder { at / 1_000 } else { now };
            let sender = random.random_range(0..users);
            Row {
                id: Builder::from_unix_timestamp_millis(millis.unsigned_abs(), &random.random())
                    .into_uuid(),
                at: DateTime::from_timestamp_micros(at).unwrap_or_default(),
                sender,
                receiver: (sender + random.random_range(1..users)) % users,
                units: random.random_range(1_000_000..500_000_000),
            }
        };
        Ok(instants.into_iter().map(row).collect())
    }

    /// Brings everything to rest before the clock starts.
    async fn settle(&self) -> anyhow::Result<()> {
        while seal_once(&self.bench.database, 1_000_000).await? > 0 {}
        Ok(self.superuser.batch_execute("CHECKPOINT").await?)
    }

    async fn log_position(&self) -> anyhow::Result<i64> {
        let text = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
        Ok(self.superuser.query_one(text, &[]).await?.get(0))
    }

    async fn cost(&self, rows: usize, begun_at: Instant, before: i64) -> anyhow::Result<Cost> {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (rows, bytes) = (rows as f64, (self.log_position().await? - before) as f64);
        Ok(Cost { rate: rows / begun_at.elapsed().as_secs_f64(), log_bytes: bytes / rows })
    }

    /// One COPY, one connection, one tx.
    async fn copy(&mut self, kind: Kind, triggers: Triggers) -> anyhow::Result<Cost> {
        let rows = self.draw(kind, self.rows).await?;
        let mut buffer = CopyBuffer::with_capacity(rows.len() * 100);
        for row in &rows {
            buffer.row(7);
            buffer.timestamptz(row.at);
            buffer.bigint(0);
            // The seeder numbers accounts from 1, in the order of the users.
            buffer.bigint(i64::try_from(row.sender)? + 1);
            buffer.bigint(i64::try_from(row.receiver)? + 1);
            buffer.uuid(row.id);
            buffer.integer(1);
            buffer.numeric(row.units.into(), 5);
        }
        let text = "COPY transactions (occurred_at, position, sender_id, receiver_id,
            transaction_id, asset_id, amount) FROM STDIN (FORMAT binary)";
        self.settle().await?;
        self.superuser.batch_execute(triggers.setting()).await?;
        let (before, begun_at) = (self.log_position().await?, Instant::now());
        self.superuser.batch_execute("BEGIN").await?;
        buffer.send(&self.superuser, "bench", text).await?;
        self.superuser.batch_execute("COMMIT").await?;
        self.cost(rows.len(), begun_at, before).await
    }

    /// So many streams at once, each with its share of the rows; the worker folds meanwhile.
    async fn record(&mut self, kind: Kind, streams: usize) -> anyhow::Result<Cost> {
        let rows = self.draw(kind, self.rows).await?;
        let shares: Vec<Vec<RecordTransactionsRequest>> = (0..streams)
            .map(|stream| {
                let share = rows.chunks(CHUNK_ROWS).skip(stream).step_by(streams);
                self.messages(share)
            })
            .collect();
        self.settle().await?;
        let stop = CancellationToken::new();
        let sealing = self.start_sealing(&stop);
        let (before, begun_at) = (self.log_position().await?, Instant::now());
        let mut sending = JoinSet::new();
        for share in shares {
            let client = IngestServiceClient::new(self.channel.clone());
            sending.spawn(send(client, share));
        }
        let mut recorded = 0;
        while let Some(sent) = sending.join_next().await {
            recorded += sent??;
        }
        let cost = self.cost(rows.len(), begun_at, before).await;
        stop.cancel();
        sealing.await?;
        anyhow::ensure!(recorded == i64::try_from(rows.len())?, "{recorded} were recorded");
        cost
    }

    /// The worker as a server has it by default.
    fn start_sealing(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let settings = &self.bench.settings.sealing;
        let policy = SealingPolicy {
            rows: i64::from(settings.seal_rows),
            interval: Duration::from_secs(settings.seal_seconds),
        };
        let (sealing, stop) =
            (Sealing::new(self.bench.database.clone(), self.bench.database.clone()), stop.clone());
        tokio::spawn(workers::sealing::run(sealing, policy, stop))
    }

    fn messages<'r>(
        &self,
        chunks: impl Iterator<Item = &'r [Row]>,
    ) -> Vec<RecordTransactionsRequest> {
        let mut row_count = 0;
        let mut messages = vec![Message::Start(RecordingStart::default())];
        for (number, rows) in (1..).zip(chunks) {
            row_count += i64::try_from(rows.len()).unwrap_or(i64::MAX);
            let transactions = rows.iter().map(|row| self.message(row)).collect();
            messages.push(Message::Chunk(RecordingChunk { chunk_number: number, transactions }));
        }
        messages.push(Message::End(RecordingEnd { row_count }));
        let request = |message| RecordTransactionsRequest { message: Some(message) };
        messages.into_iter().map(request).collect()
    }

    fn message(&self, row: &Row) -> NewTransaction {
        let account = |user: usize| {
            let address = self.users[user].clone();
            Some(AccountKey { network: "internal".to_owned(), address })
        };
        let nanos = i32::try_from(row.at.timestamp_subsec_nanos()).unwrap_or_default();
        NewTransaction {
            transaction_id: row.id.to_string(),
            occurred_at: Some(Timestamp { seconds: row.at.timestamp(), nanos }),
            position: 0,
            asset: String::new(),
            sender: account(row.sender),
            receiver: account(row.receiver),
            amount: Decimal::new(row.units.into(), 5).to_text(5),
            reference: String::new(),
        }
    }

    /// What the triggers cost a COPY, by turns; nothing folds meanwhile. Last, because rows
    /// that come past the triggers of running totals are in none of them.
    async fn trigger_cost(&mut self, rounds: u64) -> anyhow::Result<()> {
        for kind in [Kind::InOrder, Kind::Late] {
            for round in 1..=rounds {
                for triggers in [Triggers::None, Triggers::AllButTotals, Triggers::All] {
                    let cost = self.copy(kind, triggers).await?;
                    println!(
                        "COPY {}, {}, round {round}: {:7.0} rows/s, {:5.0} bytes of log a row",
                        kind.name(),
                        triggers.name(),
                        cost.rate,
                        cost.log_bytes
                    );
                }
            }
        }
        Ok(())
    }

    /// What folding takes of the log, for rows that are more or less late.
    async fn fold_cost(&mut self) -> anyhow::Result<()> {
        let last = self.plan.day(self.plan.day_count - 1);
        let rows = 5_000;
        for days in [1, 30, 365] {
            let days = days.min(u64::from(self.plan.day_count));
            let mut drawn = self.draw(Kind::Late, rows).await?;
            let day = last + Days::new(1) - Days::new(days);
            let start = day.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc();
            for row in &mut drawn {
                let micros = row.at.timestamp_micros().rem_euclid(MICROS_PER_DAY);
                row.at = start + chrono::TimeDelta::microseconds(micros);
            }
            let messages = self.messages([&drawn[..]].into_iter());
            self.settle().await?;
            let before = self.log_position().await?;
            send(IngestServiceClient::new(self.channel.clone()), messages).await?;
            let written = self.log_position().await?;
            let begun_at = Instant::now();
            while seal_once(&self.bench.database, 1_000_000).await? > 0 {}
            let seconds = begun_at.elapsed().as_secs_f64();
            let folded = self.log_position().await?;
            let a_row = |bytes: i64| bytes / i64::try_from(rows).unwrap_or(1);
            println!(
                "{rows} rows {days} days late: {} bytes of log a row to record, {} to fold; \
                 folded in {seconds:.2} s",
                a_row(written - before),
                a_row(folded - written)
            );
        }
        Ok(())
    }
}

/// Sends a stream as fast as the server takes it; returns how many rows were recorded.
async fn send(
    mut client: IngestServiceClient<Channel>,
    messages: Vec<RecordTransactionsRequest>,
) -> anyhow::Result<i64> {
    let answers = client.record_transactions(futures_util::stream::iter(messages)).await?;
    let mut answers = answers.into_inner();
    while let Some(answer) = answers.message().await? {
        match answer.message {
            Some(Answer::Summary(summary)) => return Ok(summary.recorded_count),
            Some(Answer::Chunk(chunk)) => {
                anyhow::ensure!(chunk.refused.is_empty(), "{:?}", chunk.refused.first());
            }
            None => anyhow::bail!("an answer without a word"),
        }
    }
    anyhow::bail!("the stream has ended without a summary")
}
