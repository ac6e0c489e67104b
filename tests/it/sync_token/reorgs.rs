//! Chains that change: dropped, moved and replaced transfers, at every depth up to finality, and
//! walks that end at any step of it. Whatever happened, the ledger is in the end what a ledger is
//! that saw only the chain as it is then.

use std::{
    env,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use daybook::{config::SourceKind, domain::erc20::Address};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use crate::{
    support::{
        anvil::{Anvil, Move},
        provider::{Fault, Limits, Provider},
        random::random,
    },
    sync_token::{
        words,
        world::{World, final_after, mints, networks, random_moves},
    },
};

/// Holders that the tests move tokens between.
const HOLDERS: u32 = 12;

/// Deepest change that is tried.
const DEPTH_MAX: u64 = 60;

/// What a chain has in the place of blocks that were taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Empty blocks.
    Drop,
    /// The same transfers, each in another block.
    Move,
    /// Others.
    Replace,
}

pub(crate) const CHANGES: [Change; 3] = [Change::Drop, Change::Move, Change::Replace];

/// Depths that are tried with each kind of change: a few, or all of them.
fn depths() -> Vec<u64> {
    match env::var_os("DAYBOOK_TEST_REORGS") {
        Some(_) => (1..=DEPTH_MAX).collect(),
        None => vec![1, 2, 17, DEPTH_MAX],
    }
}

/// A chain whose last blocks change.
pub(crate) struct Chain {
    pub(crate) anvil: Anvil,
    pub(crate) token: Address,
    pub(crate) random: ChaCha12Rng,
    /// Transfers of the blocks, the last of them at the end.
    blocks: Vec<Vec<Move>>,
}

impl Chain {
    pub(crate) async fn new(anvil: Anvil, random: ChaCha12Rng) -> Self {
        let token = anvil.deploy("TestToken").await;
        anvil.transfer(&token, &mints(HOLDERS)).await;
        anvil.mine(1).await;
        let mut chain = Self { anvil, token, random, blocks: Vec::new() };
        chain.grow(70).await;
        chain
    }

    /// Adds blocks, some of them without transfers.
    async fn grow(&mut self, count: u64) {
        for _ in 0..count {
            let size = self.random.random_range(0..5_usize).saturating_sub(1);
            let moves = random_moves(&mut self.random, HOLDERS, size);
            self.add(moves).await;
        }
    }

    async fn add(&mut self, moves: Vec<Move>) {
        if !moves.is_empty() {
            self.anvil.transfer(&self.token, &moves).await;
        }
        // Now and then something that is no transfer, which is withdrawn, too.
        if self.random.random_range(0..6) == 0 {
            let data = words(&[1, 2, 3]);
            self.anvil.call(&self.token, "logNotFungible(address,address,uint256)", &data).await;
        }
        self.anvil.mine(1).await;
        self.blocks.push(moves);
    }

    /// Takes blocks back and puts at least one more in their place.
    pub(crate) async fn change(&mut self, depth: u64, change: Change) {
        self.anvil.roll_back(depth).await;
        let keep = self.blocks.len() - usize::try_from(depth).unwrap();
        let mut taken_back = self.blocks.split_off(keep);
        match change {
            Change::Drop => taken_back.iter_mut().for_each(Vec::clear),
            Change::Move => taken_back.rotate_right(1),
            Change::Replace => {
                for moves in &mut taken_back {
                    *moves = random_moves(&mut self.random, HOLDERS, moves.len() + 1);
                }
            }
        }
        for moves in taken_back {
            self.add(moves).await;
        }
        let more = self.random.random_range(1..4);
        self.grow(more).await;
    }

    pub(crate) async fn height(&self) -> u64 {
        self.anvil.height().await
    }
}

/// Works, and is gone after a few steps, like a process that is killed: whatever it waited for is
/// not waited for any more. Whether it came to the end.
async fn work_for(world: &World, steps: u32) -> bool {
    let mut work = pin!(world.work());
    let mut left = steps;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// Syncs, killed now and then on the way; how often.
async fn sync_with_kills(world: &World, random: &mut ChaCha12Rng) -> u32 {
    world.request().await;
    let mut kills = 0;
    for _ in 0..3 {
        let steps = random.random_range(1..40);
        if work_for(world, steps).await {
            return kills;
        }
        kills += 1;
        // Its lease runs out.
        let expire = "UPDATE sync_jobs SET lease_until = now() - interval '1 s'
                      WHERE state = 'running'";
        world.schema.sql.batch_execute(expire).await.unwrap();
    }
    while world.work().await {}
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_any_kind_and_depth_end_like_a_clean_index_whatever_is_killed() {
    let Some(anvil) = Anvil::start("changes of a chain").await else { return };
    let mut chain = Chain::new(anvil, random()).await;
    let provider = Provider::start(&chain.anvil.url, Limits::None).await;
    let world =
        World::new(networks(&[("one", SourceKind::Rpc, &provider.url)]), &chain.token, (0, None));
    let world = world.await;
    world.sync().await;
    let (mut kills, mut changes) = (0, 0);
    for depth in depths() {
        for change in CHANGES {
            // Some of the blocks that go may not have been synced.
            let unsynced = chain.random.random_range(0..=depth.min(3));
            chain.grow(unsynced).await;
            chain.change(depth, change).await;
            kills += sync_with_kills(&world, &mut chain.random).await;
            assert_eq!(world.jobs().await, [], "{change:?} {depth}");
            world.check(&chain.anvil, &chain.token, chain.height().await).await;
            changes += 1;
        }
    }
    world.check_balances(&chain.anvil, &chain.token).await;
    let stream = world.stream().await;
    assert!(stream.generation > 0, "nothing was ever withdrawn");
    assert!(kills >= changes / 2, "{kills} of {changes} walks were killed");
    let clean =
        World::new(networks(&[("one", SourceKind::Rpc, &provider.url)]), &chain.token, (0, None));
    let clean = clean.await;
    clean.sync().await;
    assert!(clean.rows().await == world.rows().await);
    tracing::info!(changes, kills, "changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_changes_while_it_is_read_ends_like_a_clean_index() {
    let Some(anvil) = Anvil::start("changes while a chain is read").await else { return };
    let chain = Chain::new(anvil, random()).await;
    let token = chain.token;
    let url = chain.anvil.url.clone();
    let world = World::new(networks(&[("one", SourceKind::Rpc, &url)]), &token, (0, None)).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let changing = tokio::spawn(async move {
        let mut chain = chain;
        for _ in 0..40 {
            let depth = chain.random.random_range(1..20);
            let change = CHANGES[chain.random.random_range(0..3)];
            chain.change(depth, change).await;
        }
        over.store(true, Ordering::Relaxed);
        chain
    });
    while !is_over.load(Ordering::Relaxed) {
        world.sync().await;
    }
    let chain = changing.await.unwrap();
    // What was put off while everything changed comes when its time has come.
    let due = "UPDATE sync_jobs SET run_at = now(), state = 'queued', attempts = 0";
    world.schema.sql.batch_execute(due).await.unwrap();
    world.sync().await;
    assert_eq!(world.jobs().await, []);
    world.check(&chain.anvil, &token, chain.height().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_through_an_explorer_too() {
    let Some(anvil) = Anvil::start("changes of a chain, by an explorer").await else { return };
    let mut chain = Chain::new(anvil, random()).await;
    let provider = Provider::start(&chain.anvil.url, Limits::None).await;
    let sources = [("one", SourceKind::Etherscan, &provider.explorer_url[..])];
    // Every block is a call of its own: few of them at a time.
    let world = World::new(final_after(20, &sources), &chain.token, (0, None)).await;
    world.sync().await;
    for depth in [1, 15] {
        for change in CHANGES {
            chain.change(depth, change).await;
            world.sync().await;
            assert_eq!(world.jobs().await, [], "{change:?} {depth}");
            world.check(&chain.anvil, &chain.token, chain.height().await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_is_not_taken_for_an_empty_chain() {
    let Some(anvil) = Anvil::start("empty answers after a change").await else { return };
    let mut chain = Chain::new(anvil, ChaCha12Rng::seed_from_u64(3)).await;
    let provider = Provider::start(&chain.anvil.url, Limits::None).await;
    let world =
        World::new(networks(&[("one", SourceKind::Rpc, &provider.url)]), &chain.token, (0, None));
    let world = world.await;
    world.sync().await;
    chain.change(20, Change::Move).await;
    // Both for what takes the place of blocks, and for those that follow.
    provider.fail(Fault::NoLogs);
    provider.fail(Fault::NoLogs);
    world.sync().await;
    assert_eq!(provider.faults_left(), 0);
    world.check(&chain.anvil, &chain.token, chain.height().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_deeper_than_finality_is_an_incident_and_withdraws_nothing() {
    let Some(anvil) = Anvil::start("a change deeper than finality").await else { return };
    let mut chain = Chain::new(anvil, ChaCha12Rng::seed_from_u64(4)).await;
    let sources = final_after(5, &[("one", SourceKind::Rpc, &chain.anvil.url)]);
    let world = World::new(sources, &chain.token, (0, None)).await;
    world.sync().await;
    let (rows, before) = (world.rows().await, world.stream().await);
    chain.change(6, Change::Replace).await;
    world.sync().await;
    let jobs = world.jobs().await;
    let [(state, Some(why))] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!(state, "parked");
    assert!(why.contains("which was final: nothing is withdrawn"), "{why}");
    assert!(world.rows().await == rows);
    assert_eq!(world.stream().await.head_hash, before.head_hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_without_rows_are_forgotten_once_they_are_final() {
    let Some(anvil) = Anvil::start("blocks that become final").await else { return };
    let mut chain = Chain::new(anvil, ChaCha12Rng::seed_from_u64(5)).await;
    let sources = final_after(10, &[("one", SourceKind::Rpc, &chain.anvil.url)]);
    let world = World::new(sources, &chain.token, (0, None)).await;
    for blocks in [1, 5, 30, 9, 60] {
        chain.grow(blocks).await;
        world.sync().await;
        let last = i64::try_from(chain.height().await).unwrap();
        let kept = "SELECT count(*) FROM sync_blocks
                    WHERE height < $1 AND transfer_count = 0 AND other_count = 0";
        let kept: i64 = world.schema.sql.query_one(kept, &[&(last - 10)]).await.unwrap().get(0);
        assert_eq!(kept, 0);
        let window = "SELECT count(*) FROM sync_blocks WHERE height >= $1";
        let window = world.schema.sql.query_one(window, &[&(last - 10)]).await.unwrap();
        assert_eq!(window.get::<_, i64>(0), 11);
    }
    world.check(&chain.anvil, &chain.token, chain.height().await).await;
}
