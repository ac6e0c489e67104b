//! One source that is wrong, beside one that is right, or alone.

use daybook::config::SourceKind;

use crate::{
    support::{
        anvil::Anvil,
        provider::{Limits, Provider},
    },
    sync_token::{
        busy_token,
        world::{World, networks},
    },
};

/// Syncs by a bad source and a good one, which comes to everything, and by the bad one alone, whose
/// job ends in this state, for this reason.
async fn check(
    anvil: &Anvil,
    (bad, kind): (&Provider, SourceKind),
    (state, why): (&str, &str),
    spoil: impl Fn(),
) {
    let (token, height) = busy_token(anvil, 500).await;
    let url = if kind == SourceKind::Rpc { &bad.url[..] } else { &bad.explorer_url };
    let one = World::new(networks(&[("bad", kind, url)]), &token, (0, None)).await;
    let sources = [("bad", kind, url), ("good", SourceKind::Rpc, &anvil.url[..])];
    let two = World::new(networks(&sources), &token, (0, None)).await;
    spoil();
    two.sync().await;
    assert_eq!(two.jobs().await, []);
    two.check(anvil, &token, height).await;
    one.sync().await;
    let jobs = one.jobs().await;
    assert_eq!((jobs.len(), &jobs[0].0[..]), (1, state), "{jobs:?}");
    let said = jobs[0].1.as_deref().unwrap();
    assert!(said.starts_with("bad: ") && said.contains(why), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_one_source_calls_too_large_is_read_by_the_next() {
    let Some(anvil) = Anvil::start("a source that refuses a block").await else { return };
    let bad = Provider::start(&anvil.url, Limits::FiveLogs).await;
    check(&anvil, (&bad, SourceKind::Rpc), ("parked", "block"), || ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_high_parks_nothing() {
    let Some(anvil) = Anvil::start("a source with a head too high").await else { return };
    let bad = Provider::start(&anvil.url, Limits::None).await;
    let why = "BlockOutOfRangeError";
    check(&anvil, (&bad, SourceKind::Rpc), ("queued", why), || bad.run_ahead(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_another_chain_leaves_the_token_to_the_next() {
    let Some(anvil) = Anvil::start("a source of another chain").await else { return };
    let Some(other) = Anvil::start("another chain").await else { return };
    let (token, height) = busy_token(&anvil, 500).await;
    other.rpc("anvil_setChainId", serde_json::json!([1])).await;
    let rpc = SourceKind::Rpc;
    let sources = [("other", rpc, &other.url[..]), ("good", rpc, &anvil.url)];
    // The token is asked for its facts by the same rule.
    let world = World::new(networks(&sources), &token, (0, None)).await;
    world.sync().await;
    assert_eq!(world.jobs().await, []);
    world.check(&anvil, &token, height).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_source_is_behind_the_next_goes_on() {
    let Some(anvil) = Anvil::start("a stale source beside a fresh one").await else { return };
    let (token, height) = busy_token(&anvil, 500).await;
    let stale = Provider::start(&anvil.url, Limits::None).await;
    let rpc = SourceKind::Rpc;
    let sources = [("stale", rpc, &stale.url[..]), ("fresh", rpc, &anvil.url)];
    let world = World::new(networks(&sources), &token, (0, None)).await;
    world.sync().await;
    world.check(&anvil, &token, height).await;
    stale.fall_behind(30);
    let height = anvil.mine(3).await;
    world.sync().await;
    assert_eq!(world.jobs().await, []);
    world.check(&anvil, &token, height).await;
}
