//! A ledger and its mirror, which change together.

use chrono::{DateTime, Utc};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{
    ledger::{add_account, add_known_user, ensure_days, track},
    oracle::OracleRow,
};

pub(super) const USERS: usize = 12;
const ROWS: usize = 250;
const DAY_MICROS: i64 = 86_400_000_000;
/// 2024-02-26T00:00:00Z.
const FIRST_MICROS: i64 = 1_708_905_600_000_000;
const DAYS: [&str; 9] = [
    "2024-02-26",
    "2024-02-27",
    "2024-02-28",
    "2024-02-29",
    "2024-03-01",
    "2024-03-02",
    "2024-03-03",
    "2024-03-04",
    "2024-03-05",
];

/// An account: its key, its row's id, and the users that track it.
pub(super) struct Account {
    pub(super) network: &'static str,
    pub(super) address: String,
    pub(super) account_id: i64,
    pub(super) trackers: Vec<usize>,
}

/// The whole ledger, mirrored.
pub(super) struct World {
    pub(super) rng: ChaCha12Rng,
    pub(super) users: Vec<(Uuid, String)>,
    pub(super) accounts: Vec<Account>,
    pub(super) rows: Vec<(Uuid, OracleRow)>,
}

impl World {
    pub(super) async fn new(sql: &Client, seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        ensure_days(sql, &DAYS).await;
        let (mut users, mut accounts) = (Vec::new(), Vec::new());
        let mut ids = Vec::new();
        for user in 0..USERS {
            let uuid = Uuid::from_u128(rng.random());
            let username = format!("{}{user}", ["a", "B", "é", "_"][user % 4]);
            let known = add_known_user(sql, uuid, &username).await;
            let address = uuid.to_string();
            let account_id = known.account_id;
            accounts.push(Account {
                network: "internal",
                address,
                account_id,
                trackers: vec![user],
            });
            ids.push(known.user_id);
            users.push((uuid, username));
        }
        for (number, network) in ["bank", "bank", "bank", "card", "bank"].into_iter().enumerate() {
            let address = format!("{}-{number}", ["x", "X", "ž"][number % 3]);
            let account_id = add_account(sql, network, &address).await;
            let mut trackers = Vec::new();
            // One is shared by many, one is tracked by nobody.
            for (user, &user_id) in ids.iter().enumerate() {
                if number > 0 && rng.random_range(0..5) < number - 1 {
                    track(sql, user_id, account_id).await;
                    trackers.push(user);
                }
            }
            accounts.push(Account { network, address, account_id, trackers });
        }
        let mut world = Self { rng, users, accounts, rows: Vec::new() };
        for _ in 0..ROWS {
            world.insert(sql).await;
        }
        world
    }

    pub(super) fn index(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below)
    }

    /// An instant in the days that have partitions, often on an edge or taken already.
    fn instant(&mut self) -> i64 {
        let midnight = FIRST_MICROS + DAY_MICROS * self.rng.random_range(0..8i64);
        match self.rng.random_range(0..10) {
            0 => midnight,
            1 => midnight + 1,
            2 => midnight + DAY_MICROS - 1,
            3 if !self.rows.is_empty() => {
                let row = self.index(self.rows.len());
                self.rows[row].1.micros
            }
            // A crowded hour, and an hour of each day that stays empty.
            4 => midnight + self.rng.random_range(0..1_000),
            _ => midnight + self.rng.random_range(DAY_MICROS / 24..DAY_MICROS),
        }
    }

    fn units(&mut self) -> i128 {
        match self.rng.random_range(0..8) {
            0 => 0,
            1 => 1,
            2 | 3 => 100_000,
            4 => 250_000 * self.rng.random_range(0..4),
            // Huge amounts that differ little.
            5 => 100_000_000_000_000 + self.rng.random_range(0..3),
            _ => self.rng.random_range(0..1_000_000_000),
        }
    }

    async fn insert(&mut self, sql: &Client) {
        let row = OracleRow {
            micros: self.instant(),
            sender: self.index(self.accounts.len()),
            receiver: self.index(self.accounts.len()),
            units: self.units(),
        };
        let inserted = sql
            .query_one(
                "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount) \
                 VALUES ($1, $2, $3, 1, $4::text::numeric / 100000) RETURNING transaction_id",
                &[
                    &instant(row.micros),
                    &self.accounts[row.sender].account_id,
                    &self.accounts[row.receiver].account_id,
                    &row.units.to_string(),
                ],
            )
            .await
            .unwrap();
        self.rows.push((inserted.get(0), row));
    }

    /// One statement that changes the ledger, and the same in the mirror.
    pub(super) async fn change(&mut self, sql: &Client) {
        let at = self.index(self.rows.len());
        let (id, before) = self.rows[at].clone();
        let mut after = before.clone();
        match self.rng.random_range(0..6) {
            0 | 1 if self.rows.len() < 2 * ROWS => return self.insert(sql).await,
            0..=2 if self.rows.len() > ROWS / 2 => {
                let text = "DELETE FROM transactions WHERE transaction_id = $1";
                assert_eq!(sql.execute(text, &[&id]).await.unwrap(), 1);
                self.rows.swap_remove(at);
                return;
            }
            3 => after.units = self.units(),
            4 => after.micros = self.instant(),
            _ => {
                after.sender = self.index(self.accounts.len());
                after.receiver = self.index(self.accounts.len());
            }
        }
        let text = "UPDATE transactions SET occurred_at = $3, sender_id = $4, receiver_id = $5, \
                    amount = $6::text::numeric / 100000 \
                    WHERE transaction_id = $1 AND occurred_at = $2";
        let changed = sql
            .execute(
                text,
                &[
                    &id,
                    &instant(before.micros),
                    &instant(after.micros),
                    &self.accounts[after.sender].account_id,
                    &self.accounts[after.receiver].account_id,
                    &after.units.to_string(),
                ],
            )
            .await
            .unwrap();
        assert_eq!(changed, 1);
        self.rows[at].1 = after;
    }

    /// A window: whole days, a microsecond, an empty region, everything, nothing.
    pub(super) fn window(&mut self) -> (i64, i64) {
        let some = self.index(self.rows.len());
        let row = self.rows[some].1.micros;
        let midnight = FIRST_MICROS + DAY_MICROS * self.rng.random_range(0..8i64);
        let (start, end) = match self.rng.random_range(0..12) {
            0 => (row, row + 1),
            1 => (row - 1, row),
            2 => (row + 1, row + 1 + self.rng.random_range(1..1_000)),
            3 => (midnight, midnight + DAY_MICROS),
            4 => (midnight, midnight + DAY_MICROS * self.rng.random_range(1..9i64)),
            5 => (midnight - 1, midnight + 1),
            6 => (midnight + 2_000, midnight + DAY_MICROS / 24),
            7 => (-62_135_596_800_000_000, 253_402_300_799_999_999),
            8 => (FIRST_MICROS - 40 * DAY_MICROS, FIRST_MICROS),
            9 => (FIRST_MICROS + 9 * DAY_MICROS, FIRST_MICROS + 900 * DAY_MICROS),
            _ => (self.instant(), self.instant()),
        };
        (start.min(end), if start == end { end + 1 } else { start.max(end) })
    }
}

pub(super) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}
