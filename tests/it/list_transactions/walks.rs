//! Random walks over random ledgers, while rows come, go and move and totals are sealed:
//! every page is what an oracle says it is at that moment, and every row that stayed where it
//! was comes exactly once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use daybook::grpc::pb::v1::{
    AccountKey, AllAccounts, DeleteTransactionRequest, Direction, ListTransactionsRequest,
    ListedTransaction, Window, ledger_service_client::LedgerServiceClient,
    list_transactions_request::Subject,
};
use prost_types::Timestamp;
use rand::{RngExt, rngs::ChaCha12Rng};
use tonic::transport::Channel;
use uuid::Uuid;

use super::id;
use crate::support::{
    ledger::{TestUser, add_account, add_user, ensure_days, track},
    random::random,
    rows::{NewRow, add_asset},
    service::TestService,
};

const DAYS: [&str; 6] =
    ["2024-05-05", "2024-05-06", "2024-05-09", "2024-05-10", "2024-06-01", "2024-06-02"];

/// 2024-05-05T00:00:00Z.
const FIRST_MICROS: i64 = 1_714_867_200_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;

/// Where a row stands: microseconds, position, id.
type Place = (i64, i64, Uuid);

/// A row as the oracle knows it: accounts and assets are places in lists.
#[derive(Clone, Debug)]
struct Row {
    place: Place,
    from: usize,
    to: usize,
    asset: usize,
    cents: i64,
}

/// Whose rows are asked for.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Ann,
    Bob,
    Account(usize),
    All,
}

/// A question in the oracle's words.
#[derive(Clone, Copy, Debug)]
struct Question {
    whose: Whose,
    asset: Option<usize>,
    window: Option<(i64, i64)>,
    /// 0 sender, 1 receiver.
    side: Option<usize>,
    is_newest: bool,
    with_balance: bool,
}

struct World {
    service: TestService,
    client: LedgerServiceClient<Channel>,
    rng: ChaCha12Rng,
    users: [TestUser; 2],
    /// Ids and keys; the first three are Ann's wallets, the third and fourth Bob's.
    accounts: Vec<(i64, AccountKey)>,
    /// Ids, codes and decimals.
    assets: [(i32, &'static str, usize); 2],
    rows: BTreeMap<Place, Row>,
}

impl World {
    async fn new() -> Self {
        let service = TestService::start().await;
        let client = service.ledger().await;
        let sql = &service.sql;
        ensure_days(sql, &DAYS).await;
        let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
        let mut accounts = Vec::new();
        let key = |network: &str, address: &str| AccountKey {
            network: network.to_owned(),
            address: address.to_owned(),
        };
        accounts.push((ann.account_id, key("internal", &ann.user_uuid.to_string())));
        for address in ["x", "shared"] {
            let account = add_account(sql, "bank", address).await;
            track(sql, ann.user_id, account).await;
            accounts.push((account, key("bank", address)));
        }
        track(sql, bob.user_id, accounts[2].0).await;
        accounts.push((bob.account_id, key("internal", &bob.user_uuid.to_string())));
        accounts.push((add_account(sql, "bank", "stranger").await, key("bank", "stranger")));
        let assets = [(1, "USD", 5), (add_asset(sql, "EUR", 2).await, "EUR", 2)];
        let rows = BTreeMap::new();
        Self { service, client, rng: random(), users: [ann, bob], accounts, assets, rows }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    /// An instant on one of the days; they share few hours.
    fn instant(&mut self) -> i64 {
        let day = DAYS[self.below(DAYS.len())];
        let midnight: DateTime<chrono::Utc> = format!("{day}T00:00:00Z").parse().unwrap();
        let within = match self.below(4) {
            0 => 0,
            1 => self.rng.random_range(0..24 * HOUR_MICROS),
            _ => HOUR_MICROS * self.rng.random_range(0..4i64),
        };
        midnight.timestamp_micros() + within
    }

    async fn insert(&mut self, count: usize) {
        for _ in 0..count {
            let row = Row {
                place: (
                    self.instant(),
                    self.rng.random_range(-1..3),
                    Uuid::from_u128(self.rng.random()),
                ),
                from: self.below(5),
                to: self.below(5),
                asset: usize::from(self.rng.random_bool(0.3)),
                cents: self.rng.random_range(0..100_000),
            };
            let (micros, position, transaction_id) = row.place;
            let new = NewRow {
                transaction_id,
                occurred_at: DateTime::from_timestamp_micros(micros).unwrap(),
                position,
                sender_id: self.accounts[row.from].0,
                receiver_id: self.accounts[row.to].0,
                asset_id: self.assets[row.asset].0,
                amount: text(row.cents, 2),
                reference: None,
            };
            new.add(&self.service.sql).await;
            self.rows.insert(row.place, row);
        }
    }

    /// Takes some rows away, by the rpc or in SQL, and moves others.
    async fn disturb(&mut self, count: usize) {
        for _ in 0..count.min(self.rows.len()) {
            let at = self.below(self.rows.len());
            let mut row = self.rows.values().nth(at).unwrap().clone();
            self.rows.remove(&row.place);
            let (micros, _, id) = row.place;
            match self.below(3) {
                0 => {
                    let request = DeleteTransactionRequest { transaction_id: id.to_string() };
                    let answer = self.client.delete_transaction(request).await;
                    assert!(answer.unwrap().into_inner().was_deleted_now);
                }
                1 => {
                    let text = "DELETE FROM transactions WHERE transaction_id = $1";
                    assert_eq!(self.service.sql.execute(text, &[&id]).await.unwrap(), 1);
                }
                _ => {
                    let from = DateTime::from_timestamp_micros(micros).unwrap();
                    row.place.0 = self.instant();
                    let to = DateTime::from_timestamp_micros(row.place.0).unwrap();
                    let text = "UPDATE transactions SET occurred_at = $3
                        WHERE transaction_id = $1 AND occurred_at = $2";
                    let sql = &self.service.sql;
                    assert_eq!(sql.execute(text, &[&id, &from, &to]).await.unwrap(), 1);
                    self.rows.insert(row.place, row);
                }
            }
        }
    }

    /// Folds some corrections, or all.
    async fn seal(&mut self) {
        let client = self.service.database.connect().await.unwrap();
        let count = [7, 60, 50_000][self.below(3)];
        daybook::store::sealing::seal(&client, count).await.unwrap();
    }

    async fn change(&mut self) {
        match self.below(3) {
            0 => {
                let count = self.below(4);
                self.insert(count).await;
            }
            1 => {
                let count = self.below(4);
                self.disturb(count).await;
            }
            _ => self.seal().await,
        }
    }

    fn question(&mut self) -> Question {
        let whose = match self.below(5) {
            0 | 1 => Whose::Ann,
            2 => Whose::Bob,
            3 => Whose::Account(self.below(5)),
            _ => Whose::All,
        };
        let is_all = matches!(whose, Whose::All);
        let asset = (is_all || self.rng.random_bool(0.5)).then(|| self.below(2));
        let window = self.rng.random_bool(0.4).then(|| {
            let (a, b) = (self.instant(), self.instant());
            (a.min(b), a.max(b) + 1)
        });
        let with_balance = !is_all && asset.is_some() && self.rng.random_bool(0.6);
        let one_sided = !is_all && !with_balance && self.rng.random_bool(0.4);
        let side = one_sided.then(|| self.below(2));
        Question { whose, asset, window, side, is_newest: self.rng.random_bool(0.5), with_balance }
    }

    fn request(&self, question: &Question) -> ListTransactionsRequest {
        let user = |place: usize| Subject::UserUuid(self.users[place].user_uuid.to_string());
        ListTransactionsRequest {
            subject: Some(match question.whose {
                Whose::Ann => user(0),
                Whose::Bob => user(1),
                Whose::Account(place) => Subject::Account(self.accounts[place].1.clone()),
                Whose::All => Subject::All(AllAccounts {}),
            }),
            asset: question.asset.map(|asset| self.assets[asset].1.to_owned()).unwrap_or_default(),
            window: question
                .window
                .map(|(start, end)| Window { start: Some(stamp(start)), end: Some(stamp(end)) }),
            direction: match question.side {
                None => Direction::Unspecified.into(),
                Some(0) => Direction::Sender.into(),
                Some(_) => Direction::Receiver.into(),
            },
            order: if question.is_newest { 1 } else { 2 },
            with_running_balance: question.with_balance,
            ..Default::default()
        }
    }

    /// Every row of a question as a page would show it, in its order.
    fn expected(&self, question: &Question) -> Vec<(Place, String)> {
        let members: &[usize] = match question.whose {
            Whose::Ann => &[0, 1, 2],
            Whose::Bob => &[2, 3],
            Whose::Account(place) => &[place],
            Whose::All => &[],
        };
        let is_all = members.is_empty();
        let (mut shown, mut balance) = (Vec::new(), 0);
        for row in self.rows.values().filter(|row| question.asset.is_none_or(|it| it == row.asset))
        {
            let (is_from, is_to) = (members.contains(&row.from), members.contains(&row.to));
            if !is_all && !is_from && !is_to {
                continue;
            }
            balance += row.cents * (i64::from(is_to) - i64::from(is_from));
            let is_on_side = question.side.is_none_or(|side| [is_from, is_to][side]);
            let is_inside =
                question.window.is_none_or(|(start, end)| (start..end).contains(&row.place.0));
            if is_on_side && is_inside {
                let decimals = self.assets[row.asset].2;
                let after = match question.with_balance {
                    true => text(balance, decimals),
                    false => String::new(),
                };
                let amount = text(row.cents, decimals);
                let code = self.assets[row.asset].1;
                let sides = (is_from, is_to, is_from && is_to);
                shown.push((row.place, format!("{amount} {code} {sides:?} {after}")));
            }
        }
        if question.is_newest {
            shown.reverse();
        }
        shown
    }

    /// Walks over all pages of a question, changing the ledger in between.
    async fn walk(&mut self, is_changed: bool) {
        let question = self.question();
        let rows = self.expected(&question).len();
        // Few pages, so that there is time for many questions.
        let page_size = match self.below(3) {
            0 => 1_000,
            1 => 1 + rows / 5,
            _ => 1 + rows / 20,
        };
        let mut request = self.request(&question);
        request.page_size = i32::try_from(page_size).unwrap();
        let mut stayed: BTreeSet<Place> =
            self.expected(&question).into_iter().map(|(place, _)| place).collect();
        let mut seen: Vec<Place> = Vec::new();
        loop {
            let page = self.client.list_transactions(request.clone()).await.unwrap().into_inner();
            let is_behind = |place: &Place| {
                let last = seen.last();
                last.is_none_or(|last| if question.is_newest { place < last } else { place > last })
            };
            let mut expected = self.expected(&question);
            expected.retain(|(place, _)| is_behind(place));
            let has_more = expected.len() > page_size;
            expected.truncate(page_size);
            let found: Vec<_> = page.transactions.iter().map(shown).collect();
            assert_eq!(found, expected, "{question:?}, {page_size} a page");
            assert_eq!(page.next_page_token.is_empty(), !has_more, "{question:?}");
            seen.extend(found.into_iter().map(|(place, _)| place));
            if !has_more {
                break;
            }
            request.page_token = page.next_page_token;
            if is_changed {
                self.change().await;
                let now = self.expected(&question);
                let now: BTreeSet<_> = now.into_iter().map(|(place, _)| place).collect();
                stayed.retain(|place| now.contains(place));
            }
        }
        let once: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(once.len(), seen.len(), "nothing comes twice: {question:?}");
        assert!(stayed.is_subset(&once), "what stayed has come: {question:?}");
    }
}

fn stamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).unwrap() * 1_000;
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// Cents as text with so many decimals, two at least.
fn text(cents: i64, decimals: usize) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let (whole, rest) = (cents.abs() / 100, cents.abs() % 100);
    format!("{sign}{whole}.{rest:02}{}", "0".repeat(decimals - 2))
}

fn shown(row: &ListedTransaction) -> (Place, String) {
    let transaction = row.transaction.as_ref().unwrap();
    let at = transaction.occurred_at.unwrap();
    let micros = at.seconds * 1_000_000 + i64::from(at.nanos / 1_000);
    let sides = (row.is_sender, row.is_receiver, row.is_own_transfer);
    let text =
        format!("{} {} {sides:?} {}", transaction.amount, transaction.asset, row.running_balance);
    ((micros, transaction.position, id(row)), text)
}

#[tokio::test]
async fn every_page_is_what_the_oracle_says_while_the_ledger_changes() {
    let mut world = World::new().await;
    assert_eq!(world.rows.len(), 0);
    world.walk(false).await;
    world.insert(200).await;
    assert!(world.rows.keys().all(|place| place.0 >= FIRST_MICROS));
    for round in 0..45 {
        if round % 10 == 9 {
            // Enough for several leaves, all in one go.
            world.insert(30).await;
        }
        world.change().await;
        world.walk(round % 3 > 0).await;
    }
}
