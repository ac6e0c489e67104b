//! A token whose blocks and transfers a test makes up, and what they come to, computed naively: in
//! integers, from transfers in memory, sharing no code with what it judges.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use chrono::DateTime;
use daybook::{
    grpc::pb::v1::{
        Holder, ListHoldersRequest, ListHoldersResponse, NegativeBalance, TokenKey,
        token_service_client::TokenServiceClient,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use num_bigint::{BigInt, Sign};
use rand::{RngExt, rngs::ChaCha12Rng};
use tonic::{Status, transport::Channel};

use crate::support::{ledger::add_account, rows::add_asset, service::TestService};

/// The network that it lives on.
pub(crate) const NETWORK: &str = "evm-31337";

/// Its contract.
pub(crate) const CONTRACT: &str = "0x00000000000000000000000000000000000000c0";

/// Decimals of an amount.
pub(crate) const DECIMALS: usize = 18;

const ZERO: &str = "0x0000000000000000000000000000000000000000";

/// A block to record: its height, when it was made in microseconds, and who moves how many units
/// from whom to whom, by the accounts' places.
pub(crate) type Block = (i64, i64, Vec<(usize, usize, BigInt)>);

/// A transfer as the oracle knows it: accounts by their place, the zero account at 0.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) height: i64,
    pub(crate) log: i64,
    pub(crate) micros: i64,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) units: BigInt,
}

/// What a page of holders is as of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// Transfers up to this block count.
    pub(crate) height: i64,
    /// Changes are those after this instant, in microseconds.
    pub(crate) changes_after: i64,
}

/// A token in a service of its own.
pub(crate) struct TestToken {
    pub(crate) service: TestService,
    pub(crate) asset_id: i32,
    pub(crate) stream_id: i64,
    /// Addresses with their keys.
    pub(crate) accounts: Vec<(String, i64)>,
    /// Everything that was moved and not withdrawn.
    pub(crate) moved: Vec<Moved>,
    /// Blocks with transfers: when they were made, and their hashes.
    pub(crate) blocks: BTreeMap<i64, (i64, String)>,
    /// Blocks that were ever recorded: each has a hash of its own.
    mined: u32,
    client: TokenServiceClient<Channel>,
}

/// 2024-05-01T00:00:00Z, in microseconds.
pub(crate) const FIRST: i64 = 1_714_521_600_000_000;

pub(crate) const SECOND: i64 = 1_000_000;

pub(crate) const DAY: i64 = 86_400 * SECOND;

impl TestToken {
    /// A token that nothing is recorded of, and so many accounts beside the zero one.
    pub(crate) async fn start(accounts: usize) -> Self {
        Self::over(TestService::start().await, accounts).await
    }

    /// The same in a service of one's choice.
    pub(crate) async fn over(service: TestService, accounts: usize) -> Self {
        let sql = &service.sql;
        let days = "SELECT ensure_partitions(array_agg('2024-05-01'::date + n), 36500, 100000)
            FROM generate_series(0, 29) AS n";
        sql.query(days, &[]).await.unwrap();
        let asset_id = add_asset(sql, "COIN", 18).await;
        let text = "INSERT INTO chain_assets (asset_id, network, contract, symbol)
            VALUES ($1, $2, $3, 'CN')";
        sql.execute(text, &[&asset_id, &NETWORK, &CONTRACT]).await.unwrap();
        let text = "INSERT INTO sync_streams (asset_id, account_id) VALUES ($1, 0)
            RETURNING stream_id";
        let stream_id = sql.query_one(text, &[&asset_id]).await.unwrap().get(0);
        let mut own = Vec::new();
        for number in 0..=accounts {
            // Not in the order of their keys.
            let address = match number {
                0 => ZERO.to_owned(),
                _ => format!("0x{:040x}", (number * 7_919) % 99_991 + 1),
            };
            let account_id = add_account(sql, NETWORK, &address).await;
            own.push((address, account_id));
        }
        let client = service.tokens().await;
        Self {
            service,
            asset_id,
            stream_id,
            accounts: own,
            moved: Vec::new(),
            blocks: BTreeMap::new(),
            mined: 0,
            client,
        }
    }

    /// A client of its service.
    pub(crate) fn client(&self) -> TokenServiceClient<Channel> {
        self.client.clone()
    }

    /// Records blocks with transfers, earlier ones first.
    pub(crate) async fn mine(&mut self, blocks: &[Block]) {
        for (height, micros, transfers) in blocks {
            self.mined += 1;
            let hash = format!("0x{height:056x}{:08x}", self.mined);
            let text =
                "INSERT INTO sync_blocks (stream_id, height, mined_at, block_hash, parent_hash)
                VALUES ($1, $2, $3, $4, '')";
            let mined_at = DateTime::from_timestamp_micros(*micros).unwrap();
            let params = [&self.stream_id as _, height as _, &mined_at as _, &hash as _];
            self.service.sql.execute(text, &params).await.unwrap();
            self.blocks.insert(*height, (*micros, hash));
            for (log, (from, to, units)) in (0..).step_by(3).zip(transfers) {
                let (height, micros, units) = (*height, *micros, units.clone());
                self.moved.push(Moved { height, log, micros, from: *from, to: *to, units });
            }
        }
        let first = blocks.first().unwrap().0;
        self.write(first).await;
    }

    /// Records the rows from a block on.
    async fn write(&self, first: i64) {
        let rows: Vec<_> = self.moved.iter().filter(|moved| moved.height >= first).collect();
        let text = "INSERT INTO transactions
                (occurred_at, position, sender_id, receiver_id, asset_id, amount, reference)
            SELECT to_timestamp(m / 1000000), p, s, r, $1, a::numeric, '0x' || to_hex(p)
            FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
                AS k (m, p, s, r, a)";
        let micros: Vec<_> = rows.iter().map(|row| row.micros).collect();
        let positions: Vec<_> = rows.iter().map(|row| (row.height << 24) + row.log).collect();
        let senders: Vec<_> = rows.iter().map(|row| self.accounts[row.from].1).collect();
        let receivers: Vec<_> = rows.iter().map(|row| self.accounts[row.to].1).collect();
        let amounts: Vec<_> = rows.iter().map(|row| decimal(&row.units)).collect();
        let params =
            [&self.asset_id as _, &micros as _, &positions as _, &senders as _, &receivers as _];
        let params = [&params[..], &[&amounts as _]].concat();
        self.service.sql.execute(text, &params).await.unwrap();
    }

    /// Says that everything up to a block is recorded.
    pub(crate) async fn set_head(&self, height: i64, micros: i64, final_height: i64) {
        let hash =
            self.blocks.get(&height).map_or_else(|| "0xhead".into(), |(_, hash)| hash.clone());
        let text = "UPDATE sync_streams SET head_height = $2, head_hash = $3, complete_until = $4,
                final_height = $5
            WHERE stream_id = $1";
        let until = DateTime::from_timestamp_micros(micros).unwrap();
        let params =
            [&self.stream_id as _, &height as _, &hash as _, &until as _, &final_height as _];
        self.service.sql.execute(text, &params).await.unwrap();
    }

    /// Takes back everything above a block.
    pub(crate) async fn withdraw(&mut self, height: i64) {
        let sql = &self.service.sql;
        let first_gone = (height + 1) << 24;
        let text = "DELETE FROM transactions WHERE asset_id = $1 AND position >= $2";
        sql.execute(text, &[&self.asset_id, &first_gone]).await.unwrap();
        let text = "DELETE FROM sync_blocks WHERE stream_id = $1 AND height > $2";
        sql.execute(text, &[&self.stream_id, &height]).await.unwrap();
        let text = "UPDATE sync_streams SET generation = generation + 1 WHERE stream_id = $1";
        sql.execute(text, &[&self.stream_id]).await.unwrap();
        self.moved.retain(|moved| moved.height <= height);
        self.blocks.retain(|&own, _| own <= height);
    }

    /// Folds what is recorded into running totals.
    pub(crate) async fn seal(&self) {
        seal_once(&self.service.database, SEALED_ROWS_MAX).await.unwrap();
    }

    /// A question for holders, as of the head.
    pub(crate) fn holders_request(&self) -> ListHoldersRequest {
        ListHoldersRequest { token: token_key(), ..Default::default() }
    }

    /// Asks for a page of holders.
    pub(crate) async fn holders(
        &self,
        request: &ListHoldersRequest,
    ) -> Result<ListHoldersResponse, Status> {
        self.client().list_holders(request.clone()).await.map(tonic::Response::into_inner)
    }

    /// What each account received less what it sent, as far as it counts.
    fn nets(&self, counts: impl Fn(&Moved) -> bool) -> Vec<BigInt> {
        let mut nets = vec![BigInt::ZERO; self.accounts.len()];
        for moved in self.moved.iter().filter(|moved| counts(moved)) {
            nets[moved.from] -= &moved.units;
            nets[moved.to] += &moved.units;
        }
        nets
    }

    /// Everything that an answer says of all holders, all on one page.
    pub(crate) fn expected(&self, at: At) -> ListHoldersResponse {
        let nets = self.nets(|moved| moved.height <= at.height);
        let before =
            self.nets(|moved| moved.height <= at.height && moved.micros <= at.changes_after);
        let supply = -&nets[0];
        let own = || (1..nets.len()).map(|place| (&nets[place], &self.accounts[place].0, place));
        let mut above: Vec<_> = own().filter(|(net, ..)| net.sign() == Sign::Plus).collect();
        above.sort_by_key(|(net, address, _)| (Reverse((*net).clone()), (*address).clone()));
        let mut below: Vec<_> = own().filter(|(net, ..)| net.sign() == Sign::Minus).collect();
        below.sort();
        let sum = |rows: &[(&BigInt, &String, usize)]| rows.iter().map(|(net, ..)| *net).sum();
        let (balance_sum, negative_sum): (BigInt, BigInt) = (sum(&above), sum(&below));
        let holder = |(net, address, place): &(&BigInt, &String, usize)| {
            let change = *net - &before[*place];
            Holder {
                rank: 1 + above.iter().filter(|(other, ..)| other > net).count() as i64,
                address: (*address).clone(),
                balance: decimal(net),
                share_percent: percent(net, &supply),
                change: decimal(&change),
                change_percent: percent(&change, &before[*place]),
            }
        };
        let negative = below.iter().take(10).map(|(net, address, _)| NegativeBalance {
            address: (*address).clone(),
            balance: decimal(net),
        });
        ListHoldersResponse {
            holders: above.iter().map(holder).collect(),
            holder_count: above.len() as i64,
            is_sum_supply: balance_sum == supply,
            supply: decimal(&supply),
            balance_sum: decimal(&balance_sum),
            negative_count: below.len() as i64,
            negative_sum: decimal(&negative_sum),
            negative_balances: negative.collect(),
            ..Default::default()
        }
    }

    /// Asks for all pages of a question, and compares them with what transfers come to.
    pub(crate) async fn check(&self, request: &ListHoldersRequest, at: At) {
        let expected = self.expected(at);
        let mut request = request.clone();
        let mut holders = Vec::new();
        loop {
            let answer = self.holders(&request).await.unwrap_or_else(|status| {
                panic!("{at:?} {request:?}: {status:?}");
            });
            let as_of = answer.as_of.as_ref().unwrap();
            assert_eq!(as_of.height, at.height, "{request:?}");
            holders.extend(answer.holders.clone());
            let told = ListHoldersResponse {
                holders: expected.holders.clone(),
                next_page_token: String::new(),
                as_of: None,
                changes_after: None,
                verdict: 0,
                database_seconds: 0.0,
                ..answer.clone()
            };
            assert_eq!(told, expected, "{at:?} {request:?}");
            if answer.next_page_token.is_empty() {
                break;
            }
            assert!(!answer.holders.is_empty(), "{request:?}");
            request.page_token = answer.next_page_token;
        }
        assert_eq!(holders, expected.holders, "{at:?}");
    }
}

/// The token, as requests name it.
pub(crate) fn token_key() -> Option<TokenKey> {
    Some(TokenKey { network: NETWORK.to_owned(), contract: CONTRACT.to_owned() })
}

/// Blocks with transfers at random, from a height and an instant on: mints, burns, transfers to
/// oneself and of nothing, equal amounts and the largest one; some blocks are made at the same
/// second, and some heights have no transfer.
pub(crate) fn random_blocks(
    random: &mut ChaCha12Rng,
    (mut height, mut micros): (i64, i64),
    accounts: usize,
    count: usize,
) -> Vec<Block> {
    let mut blocks = Vec::new();
    for _ in 0..count {
        height += random.random_range(1..4);
        micros += match random.random_range(0..3) {
            0 => 0,
            1 => random.random_range(1..60) * SECOND,
            _ => random.random_range(60..40_000) * SECOND,
        };
        let transfers = (0..random.random_range(1..6)).map(|_| {
            let account = |random: &mut ChaCha12Rng| random.random_range(1..=accounts);
            let (from, to) = match random.random_range(0..10) {
                0..3 => (0, account(random)),
                3 => (account(random), 0),
                4 => {
                    let own = account(random);
                    (own, own)
                }
                5 if random.random_bool(0.1) => (0, 0),
                _ => (account(random), account(random)),
            };
            let units = match random.random_range(0..8) {
                0 => BigInt::ZERO,
                1 => BigInt::from(random.random::<u128>()),
                2 if random.random_bool(0.2) => (BigInt::from(1) << 256) - 1,
                _ => BigInt::from(random.random_range(1..4)) * BigInt::from(10).pow(18),
            };
            (from, to, units)
        });
        blocks.push((height, micros, transfers.collect()));
    }
    blocks
}

/// Units as whole tokens with all decimals.
pub(crate) fn decimal(units: &BigInt) -> String {
    fixed(units, DECIMALS)
}

fn fixed(units: &BigInt, decimals: usize) -> String {
    let digits = format!("{:0>width$}", units.magnitude().to_string(), width = decimals + 1);
    let (whole, rest) = digits.split_at(digits.len() - decimals);
    let sign = if units.sign() == Sign::Minus { "-" } else { "" };
    format!("{sign}{whole}.{rest}")
}

/// A part of a whole in percent, six decimals, rounded half-even; empty without a whole.
fn percent(part: &BigInt, whole: &BigInt) -> String {
    if whole.sign() != Sign::Plus {
        return String::new();
    }
    let top: BigInt = part.magnitude().clone().into();
    let top = top * BigInt::from(100_000_000u64);
    let (quotient, rest) = (&top / whole, &top % whole);
    let twice: BigInt = rest * 2;
    let is_up = twice > *whole || (twice == *whole && quotient.bit(0));
    let rounded = if is_up { quotient + 1 } else { quotient };
    fixed(&if part.sign() == Sign::Minus { -rounded } else { rounded }, 6)
}

/// Heights at which something may go wrong: all of them.
pub(crate) fn heights(token: &TestToken) -> BTreeSet<i64> {
    token.blocks.keys().flat_map(|height| [height - 1, *height, height + 1]).collect()
}
