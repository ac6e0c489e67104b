//! The oracle: the ledger in memory, and answers computed from it with obvious loops. Rows
//! are found by account, side and asset in the order of time, and nothing is ever added up
//! ahead of a question.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::DateTime;
use num_bigint::BigInt;
use uuid::Uuid;

use crate::{
    domain::{asset::Asset, direction::Direction, metric::Metric},
    selftest::amount,
    store::selftest::LedgerRow,
};

/// A transaction; accounts and assets by their places in the oracle.
#[derive(Clone, Debug)]
pub(super) struct OracleRow {
    pub(super) id: Uuid,
    pub(super) micros: i64,
    pub(super) sender: usize,
    pub(super) receiver: usize,
    pub(super) asset: usize,
    pub(super) units: BigInt,
    /// The round in which it became what it is.
    pub(super) changed_in: u64,
}

/// A user; wallets by the places of their accounts.
#[derive(Clone, Debug)]
pub(super) struct OracleUser {
    pub(super) user_uuid: Uuid,
    pub(super) user_id: i64,
    /// The place of the payments account.
    pub(super) payments: usize,
    pub(super) wallets: BTreeSet<usize>,
}

/// An account.
#[derive(Clone, Debug)]
pub(super) struct OracleAccount {
    pub(super) network: &'static str,
    pub(super) address: String,
    pub(super) account_id: i64,
}

/// What a tx does to the ledger once it is committed.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A row is there, in the place of the one of the same id.
    Put(OracleRow),
    /// A row is gone.
    Remove(Uuid),
    /// A user tracks an account, or no longer does.
    Track { user: usize, account: usize, is_tracked: bool },
}

/// Half-open, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Span {
    /// Whether some instant lies in both.
    pub(super) fn meets(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Whose amounts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    User(usize),
    Payments(usize),
    Account(usize),
}

/// Whose, of what, on which side.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) whose: Whose,
    pub(super) asset: usize,
    pub(super) direction: Direction,
}

/// Who is ranked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ranked {
    Users,
    Accounts(&'static str),
}

/// A question for a ranking.
#[derive(Clone, Copy, Debug)]
pub(super) struct RankWanted {
    pub(super) ranked: Ranked,
    pub(super) asset: usize,
    pub(super) direction: Direction,
    pub(super) metric: Metric,
    pub(super) is_bottom: bool,
    pub(super) include_idle: bool,
}

/// Rank (0 for an idle member that is not ranked), key, value, number of transactions.
pub(super) type Place = (usize, String, Option<String>, usize);

/// A member's rows of one asset on one side, by time.
type Timeline = BTreeMap<(usize, i64, Uuid), BigInt>;

/// The ledger in memory.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) users: Vec<OracleUser>,
    pub(super) accounts: Vec<OracleAccount>,
    pub(super) assets: Vec<Asset>,
    pub(super) rows: Vec<OracleRow>,
    places: HashMap<Uuid, usize>,
    /// By account: what it sent, what it received.
    sent: Vec<Timeline>,
    received: Vec<Timeline>,
}

impl Oracle {
    /// One more account; returns its place.
    pub(super) fn add_account(&mut self, account: OracleAccount) -> usize {
        self.accounts.push(account);
        self.sent.push(Timeline::new());
        self.received.push(Timeline::new());
        self.accounts.len() - 1
    }

    /// Does what a tx did that was committed in this round.
    pub(super) fn apply(&mut self, change: Change, round: u64) {
        match change {
            Change::Put(mut row) => {
                row.changed_in = round;
                self.remove(row.id);
                let key = (row.asset, row.micros, row.id);
                self.sent[row.sender].insert(key, row.units.clone());
                self.received[row.receiver].insert(key, row.units.clone());
                self.places.insert(row.id, self.rows.len());
                self.rows.push(row);
            }
            Change::Remove(id) => self.remove(id),
            Change::Track { user, account, is_tracked: true } => {
                self.users[user].wallets.insert(account);
            }
            Change::Track { user, account, is_tracked: false } => {
                self.users[user].wallets.remove(&account);
            }
        }
    }

    fn remove(&mut self, id: Uuid) {
        let Some(place) = self.places.remove(&id) else { return };
        let row = self.rows.swap_remove(place);
        if let Some(moved) = self.rows.get(place) {
            self.places.insert(moved.id, place);
        }
        let key = (row.asset, row.micros, row.id);
        self.sent[row.sender].remove(&key);
        self.received[row.receiver].remove(&key);
    }

    /// The amounts of an account's rows in the window.
    fn amounts_of(
        &self,
        account: usize,
        (asset, direction): (usize, Direction),
        span: Span,
    ) -> impl Iterator<Item = BigInt> {
        let timeline = match direction {
            Direction::Sender => &self.sent[account],
            Direction::Receiver => &self.received[account],
        };
        let from = (asset, span.start, Uuid::nil());
        let to = (asset, span.end, Uuid::nil());
        timeline.range(from..to).map(|(_, units)| units.clone())
    }

    fn accounts_of(&self, whose: Whose) -> Vec<usize> {
        match whose {
            Whose::User(user) => self.users[user].wallets.iter().copied().collect(),
            Whose::Payments(user) => vec![self.users[user].payments],
            Whose::Account(account) => vec![account],
        }
    }

    /// A row as it is written; the amount at times with zeros at its end.
    pub(super) fn ledger_row(&self, row: &OracleRow) -> LedgerRow {
        let zeros = u32::try_from(row.micros.rem_euclid(3)).unwrap_or_default() * 7;
        LedgerRow {
            transaction_id: row.id,
            occurred_at: DateTime::from_timestamp_micros(row.micros).unwrap_or_default(),
            sender_id: self.accounts[row.sender].account_id,
            receiver_id: self.accounts[row.receiver].account_id,
            asset_id: self.assets[row.asset].asset_id,
            amount: amount::text(&row.units, zeros),
        }
    }

    /// The amounts that a question is about.
    pub(super) fn amounts(&self, about: About, span: Span) -> Vec<BigInt> {
        let side = (about.asset, about.direction);
        let accounts = self.accounts_of(about.whose);
        accounts.into_iter().flat_map(|account| self.amounts_of(account, side, span)).collect()
    }

    /// The amounts of somebody, or, for nobody, of all transactions.
    pub(super) fn amounts_of_group(
        &self,
        whose: Option<Whose>,
        (asset, direction): (usize, Direction),
        span: Span,
    ) -> Vec<BigInt> {
        let Some(whose) = whose else {
            let senders = 0..self.accounts.len();
            let side = (asset, Direction::Sender);
            return senders.flat_map(|account| self.amounts_of(account, side, span)).collect();
        };
        self.amounts(About { whose, asset, direction }, span)
    }

    /// Whether there are rows of this time.
    pub(super) fn has_rows(&self, span: Span) -> bool {
        self.rows.iter().any(|row| span.start <= row.micros && row.micros < span.end)
    }

    /// Exact sum, as text, and number of transactions.
    pub(super) fn sum(&self, about: About, span: Span) -> (String, usize) {
        let amounts = self.amounts(about, span);
        let sum: BigInt = amounts.iter().sum();
        (amount::text(&sum, self.assets[about.asset].decimals), amounts.len())
    }

    /// The same, with rows that are on their way to the ledger.
    pub(super) fn sum_with(&self, about: About, span: Span, rows: &[OracleRow]) -> (String, usize) {
        let mut amounts = self.amounts(about, span);
        for row in rows {
            let account = match about.direction {
                Direction::Sender => row.sender,
                Direction::Receiver => row.receiver,
            };
            let is_inside = span.start <= row.micros && row.micros < span.end;
            let is_of_asset = row.asset == about.asset;
            if is_of_asset && is_inside && self.accounts_of(about.whose).contains(&account) {
                amounts.push(row.units.clone());
            }
        }
        let sum: BigInt = amounts.iter().sum();
        (amount::text(&sum, self.assets[about.asset].decimals), amounts.len())
    }

    /// The whole ranking, and the place of one member, ranked or not.
    pub(super) fn rank(
        &self,
        wanted: &RankWanted,
        span: Span,
        standing: Option<&str>,
    ) -> (Vec<Place>, Option<Place>) {
        let decimals = match wanted.metric {
            Metric::Count => 0,
            Metric::Sum | Metric::Avg | Metric::StddevSample | Metric::StddevPopulation => {
                self.assets[wanted.asset].decimals
            }
        };
        let (mut measured, mut idle) = (Vec::new(), None);
        for (key, whose) in self.members(wanted.ranked) {
            let about = About { whose, asset: wanted.asset, direction: wanted.direction };
            let amounts = self.amounts(about, span);
            let value = value(wanted.metric, &amounts);
            if amounts.is_empty() && !wanted.include_idle {
                if standing == Some(key.as_str()) {
                    let shown = value.map(|value| amount::text(&value, decimals));
                    idle = Some((0, key, shown, 0));
                }
                continue;
            }
            measured.push((key, value, amounts.len()));
        }
        let mut places: Vec<Place> = Vec::new();
        for (key, value, count) in &measured {
            let is_better = |other: &Option<BigInt>| match (other, value) {
                (Some(other), Some(value)) if wanted.is_bottom => other < value,
                (Some(other), Some(value)) => other > value,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let rank = 1 + measured.iter().filter(|(_, other, _)| is_better(other)).count();
            let shown = value.as_ref().map(|value| amount::text(value, decimals));
            places.push((rank, key.clone(), shown, *count));
        }
        places.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let found = places.iter().find(|place| standing == Some(place.1.as_str())).cloned();
        (places, found.or(idle))
    }

    /// Keys of the ranked, and whose amounts they are ranked by.
    pub(super) fn members(&self, ranked: Ranked) -> Vec<(String, Whose)> {
        match ranked {
            Ranked::Users => {
                let users = self.users.iter().enumerate();
                users.map(|(place, one)| (one.user_uuid.to_string(), Whose::User(place))).collect()
            }
            Ranked::Accounts(network) => {
                let accounts = self.accounts.iter().enumerate();
                accounts
                    .filter(|(_, one)| one.network == network)
                    .map(|(place, one)| (one.address.clone(), Whose::Account(place)))
                    .collect()
            }
        }
    }
}

/// The value of a metric in the unit of amounts, `None` where it is undefined.
fn value(metric: Metric, amounts: &[BigInt]) -> Option<BigInt> {
    let count = amounts.len();
    match metric {
        Metric::Sum => Some(amounts.iter().sum()),
        Metric::Count => Some(BigInt::from(count) * amount::power(amount::UNIT_DECIMALS)),
        Metric::Avg => (count > 0).then(|| amount::mean(amounts)),
        Metric::StddevSample => (count > 1).then(|| amount::deviation(amounts, true)),
        Metric::StddevPopulation => (count > 0).then(|| amount::deviation(amounts, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three accounts; the first user has two of them, the second one the first alone.
    fn oracle() -> Oracle {
        let mut oracle = Oracle::default();
        oracle.assets.push(Asset { asset_id: 1, code: "USD".into(), decimals: 2 });
        for address in ["a", "b", "c"] {
            let address = address.to_owned();
            oracle.add_account(OracleAccount { network: "bank", address, account_id: 0 });
        }
        for (number, wallets) in [(1, vec![0, 1]), (2, vec![0])] {
            let (user_uuid, payments) = (Uuid::from_u128(number), 0);
            let wallets = wallets.into_iter().collect();
            oracle.users.push(OracleUser { user_uuid, user_id: 0, payments, wallets });
        }
        for (number, (micros, sender, units)) in
            (0..).zip([(1, 0, 3u32), (2, 0, 4), (2, 1, 5), (3, 2, 7)])
        {
            let units = BigInt::from(units) * amount::power(amount::UNIT_DECIMALS);
            let id = Uuid::from_u128(number);
            let row = OracleRow { id, micros, sender, receiver: 2, asset: 0, units, changed_in: 0 };
            oracle.apply(Change::Put(row), 1);
        }
        oracle
    }

    #[test]
    fn what_was_worked_out_by_hand_comes_out() {
        let mut oracle = oracle();
        let about = |whose| About { whose, asset: 0, direction: Direction::Sender };
        let sum =
            |oracle: &Oracle, whose, start, end| oracle.sum(about(whose), Span { start, end });
        assert_eq!(sum(&oracle, Whose::User(0), 1, 3), ("12.00".to_owned(), 3));
        assert_eq!(sum(&oracle, Whose::User(0), 1, 2), ("3.00".to_owned(), 1));
        assert_eq!(sum(&oracle, Whose::Payments(0), 2, 9), ("4.00".to_owned(), 1));
        assert_eq!(sum(&oracle, Whose::Account(2), 1, 3), ("0.00".to_owned(), 0));
        oracle.apply(Change::Remove(Uuid::from_u128(0)), 2);
        oracle.apply(Change::Track { user: 0, account: 1, is_tracked: false }, 2);
        assert_eq!(sum(&oracle, Whose::User(0), 1, 9), ("4.00".to_owned(), 1));
    }

    #[test]
    fn equal_members_share_a_rank_and_undefined_ones_come_last() {
        let wanted = RankWanted {
            ranked: Ranked::Accounts("bank"),
            asset: 0,
            direction: Direction::Sender,
            metric: Metric::Count,
            is_bottom: true,
            include_idle: true,
        };
        let ranks = |wanted: &RankWanted| -> Vec<(usize, String)> {
            let (places, _) = oracle().rank(wanted, Span { start: 1, end: 9 }, None);
            places.into_iter().map(|(rank, key, ..)| (rank, key)).collect()
        };
        let of = |ranks: &[(usize, &str)]| -> Vec<(usize, String)> {
            ranks.iter().map(|(rank, key)| (*rank, (*key).to_owned())).collect()
        };
        assert_eq!(ranks(&wanted), of(&[(1, "b"), (1, "c"), (3, "a")]));
        let sample = RankWanted { metric: Metric::StddevSample, ..wanted };
        assert_eq!(ranks(&sample), of(&[(1, "a"), (2, "b"), (2, "c")]));
    }
}
