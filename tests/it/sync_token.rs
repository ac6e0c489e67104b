//! Tokens synced from a real node of a private chain, through providers with their limits.

mod kills;
mod reorgs;
mod sources;
mod verdict;
mod world;

use std::env;

use chrono::{DateTime, TimeDelta};
use daybook::{
    config::SourceKind,
    domain::{erc20::Address, hex},
    outbound::{
        ethereum::{Explorer, Node},
        source_error::SourceUrl,
    },
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use crate::{
    support::{
        anvil::{Anvil, Move, amount, holder},
        provider::{Fault, Limits, Provider},
    },
    sync_token::world::{World, balances, largest, mints, networks, random_moves},
};

/// Transfers that the chain gets for the large test.
fn transfers() -> usize {
    let given = env::var("DAYBOOK_TEST_TRANSFERS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(12_000)
}

/// Two hundred words of nothing but a number: arguments of a call.
fn words(numbers: &[u64]) -> String {
    numbers.iter().map(|number| format!("{number:064x}")).collect()
}

/// A token with all that happens to tokens; how high the chain is then.
async fn busy_token(anvil: &Anvil, count: usize) -> (Address, u64) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let token = anvil.deploy("TestToken").await;
    anvil.transfer(&token, &largest()).await;
    anvil.mine(1).await;
    anvil.transfer(&token, &mints(50)).await;
    anvil.mine(3).await;
    anvil.call(&token, "logNotFungible(address,address,uint256)", &words(&[1, 2, 3])).await;
    anvil.call(&token, "logMalformed(address,address)", &words(&[1, 2])).await;
    anvil.call(&token, "makeNoise(uint256)", &words(&[1])).await;
    let burn = |number| Move { from: holder(number), to: Address::ZERO, amount: amount(5) };
    anvil.transfer(&token, &(0..20).map(burn).collect::<Vec<_>>()).await;
    anvil.mine(1).await;
    let mut sent = 74;
    while sent < count {
        // Nearly as many in one block as the smallest limit on logs, and none in some.
        for _ in 0..3 {
            let size = 300.min(count.saturating_sub(sent));
            anvil.transfer(&token, &random_moves(&mut random, 50, size)).await;
            sent += size;
        }
        anvil.mine(2).await;
    }
    // Far enough that all of it is final, and some of the chain is not.
    anvil.transfer(&token, &random_moves(&mut random, 50, 100)).await;
    let height = anvil.mine(70).await;
    anvil.transfer(&token, &random_moves(&mut random, 50, 100)).await;
    (token, anvil.mine(1).await.max(height))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sources_come_to_the_balances_that_the_token_itself_says() {
    let Some(anvil) = Anvil::start("sync of a token by all sources").await else { return };
    let (token, height) = busy_token(&anvil, transfers()).await;
    let mut all = Vec::new();
    for (limits, kind) in [
        (Limits::TenBlocks, SourceKind::Rpc),
        (Limits::ThousandLogs, SourceKind::Rpc),
        (Limits::TenThousandLogs, SourceKind::Rpc),
        (Limits::None, SourceKind::Etherscan),
    ] {
        let provider = Provider::start(&anvil.url, limits).await;
        let url = if kind == SourceKind::Rpc { &provider.url } else { &provider.explorer_url };
        let world = World::new(networks(&[("one", kind, url)]), &token, (0, None)).await;
        world.sync().await;
        assert_eq!(world.jobs().await, [], "{limits:?} {kind:?}");
        world.check(&anvil, &token, height).await;
        if all.is_empty() {
            assert_eq!(world.check_balances(&anvil, &token).await, 50);
        }
        all.push(balances(&world.rows().await));
        // Nothing new: a question for the chain's number, and one for its head.
        let before = provider.calls();
        world.sync().await;
        let again = provider.calls() - before;
        assert!(again <= 2, "{again} calls for nothing");
        tracing::info!(?limits, ?kind, before, "calls");
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_begin_and_end_at_a_block() {
    let Some(anvil) = Anvil::start("sync of a range of blocks").await else { return };
    let (token, height) = busy_token(&anvil, 3_000).await;
    let world =
        World::new(networks(&[("one", SourceKind::Rpc, &anvil.url)]), &token, (8, Some(15))).await;
    world.sync().await;
    let (stream, rows) = (world.stream().await, world.rows().await);
    assert_eq!((stream.head_height, stream.last_height), (Some(15), Some(15)));
    let whole =
        World::new(networks(&[("one", SourceKind::Rpc, &anvil.url)]), &token, (0, None)).await;
    whole.sync().await;
    whole.check(&anvil, &token, height).await;
    let mut expected = whole.rows().await;
    expected.retain(|row| row.is_in_blocks(8, 15));
    assert!(!rows.is_empty() && rows == expected);
    // The node makes several blocks of one instant: rows of it that come after the last block are
    // missing, which is ruled out only where the next block is later.
    let made_at = async |height: u64| {
        let block =
            anvil.rpc("eth_getBlockByNumber", serde_json::json!([format!("{height:#x}"), false]));
        let seconds = hex::quantity(block.await["timestamp"].as_str().unwrap()).unwrap();
        DateTime::from_timestamp(i64::try_from(seconds).unwrap(), 0).unwrap()
    };
    let (first, last, next) = (made_at(8).await, made_at(15).await, made_at(16).await);
    let own = TimeDelta::microseconds(i64::from(next > last));
    assert_eq!(stream.complete_from, Some(first));
    assert_eq!(stream.complete_until, Some(last + own));
    assert_eq!(whole.stream().await.complete_until, Some(made_at(height).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_source_goes_on_where_one_gives_up() {
    let Some(anvil) = Anvil::start("sync of a token by two sources").await else { return };
    let (token, height) = busy_token(&anvil, 3_000).await;
    let first = Provider::start(&anvil.url, Limits::TenBlocks).await;
    let second = Provider::start(&anvil.url, Limits::None).await;
    let sources =
        [("first", SourceKind::Rpc, &first.url[..]), ("second", SourceKind::Rpc, &second.url)];
    let world = World::new(networks(&sources), &token, (0, None)).await;
    // One question is answered in half, the next with a wait, and then the quota is used up.
    first.fail(Fault::CutOff);
    world.sync().await;
    assert_eq!(world.jobs().await, []);
    world.check(&anvil, &token, height).await;
    anvil.transfer(&token, &random_moves(&mut ChaCha8Rng::seed_from_u64(1), 50, 10)).await;
    let height = anvil.mine(30).await;
    for _ in 0..3 {
        first.fail(Fault::Status(402, None));
    }
    second.fail(Fault::Status(429, Some(1)));
    world.sync().await;
    assert_eq!(world.jobs().await, []);
    world.check(&anvil, &token, height).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_behind_takes_nothing_back() {
    let Some(anvil) = Anvil::start("sync of a token by a stale source").await else { return };
    let (token, height) = busy_token(&anvil, 500).await;
    let provider = Provider::start(&anvil.url, Limits::None).await;
    let world =
        World::new(networks(&[("one", SourceKind::Rpc, &provider.url)]), &token, (0, None)).await;
    world.sync().await;
    world.check(&anvil, &token, height).await;
    for blocks in [1, 30, 100] {
        provider.fall_behind(blocks);
        world.request().await;
        world.hurry().await;
        while world.work().await {}
        let why = "one: is behind what is recorded";
        assert_eq!(world.jobs().await, [("queued".to_owned(), Some(why.to_owned()))]);
        world.check(&anvil, &token, height).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_another_number_is_an_incident() {
    let Some(anvil) = Anvil::start("sync from another chain").await else { return };
    let (token, _) = busy_token(&anvil, 200).await;
    let world =
        World::new(networks(&[("one", SourceKind::Rpc, &anvil.url)]), &token, (0, None)).await;
    anvil.rpc("anvil_setChainId", serde_json::json!([1])).await;
    world.sync().await;
    let jobs = world.jobs().await;
    let why = "one: the source is of chain 1, not of chain 31337";
    assert_eq!(jobs, [("parked".to_owned(), Some(why.to_owned()))]);
    assert_eq!(world.rows().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_say_what_they_are_as_far_as_they_do() {
    let Some(anvil) = Anvil::start("facts of tokens").await else { return };
    let (token, old) = (anvil.deploy("TestToken").await, anvil.deploy("OldToken").await);
    anvil.transfer(&token, &mints(3)).await;
    let height = anvil.mine(1).await;
    let provider = Provider::start(&anvil.url, Limits::None).await;
    let node = Node::new(SourceUrl::parse(&provider.url).unwrap()).unwrap();
    let facts = node.token_facts(&token).await.unwrap();
    assert_eq!(facts.decimals, Some(18));
    assert_eq!(facts.symbol.as_deref(), Some("TEST"));
    assert_eq!(facts.name.as_deref(), Some("Test Token"));
    assert_eq!(facts.total_supply, Some(amount(3_000_000_000_000)));
    let facts = node.token_facts(&old).await.unwrap();
    assert_eq!((facts.decimals, facts.symbol.as_deref()), (None, Some("OLD")));
    let nobody = node.token_facts(&holder(1)).await.unwrap();
    assert_eq!((nobody.decimals, nobody.total_supply), (None, None));
    let holders = [holder(0), holder(2), holder(9)];
    let expected = [1_000_000_000_000, 1_000_000_000_000, 0].map(amount);
    assert_eq!(node.balances(&token, &holders, height).await.unwrap(), expected);
    assert_eq!(provider.calls(), 4);
    let explorer = Explorer::new(SourceUrl::parse(&provider.explorer_url).unwrap()).unwrap();
    assert_eq!(explorer.balance(&token, &holder(0)).await.unwrap(), amount(1_000_000_000_000));
    assert_eq!(explorer.head().await.unwrap(), node.head().await.unwrap());
    // The filter of a block has what is in it, by the node's word.
    let blocks = node.blocks(&[height, height - 1]).await.unwrap();
    let may = |place: usize| {
        let bloom = blocks[place].as_ref().unwrap().bloom.as_ref().unwrap();
        bloom.may_have_transfer_of(&token)
    };
    assert!(may(0) && !may(1));
}
