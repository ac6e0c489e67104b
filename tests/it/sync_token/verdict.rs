//! Whether a token's events explain its balances is found out by its sync, by asking the contract.

use daybook::{config::SourceKind, store::token_checks};

use crate::{
    support::{
        anvil::Anvil,
        provider::{Limits, Provider},
    },
    sync_token::world::{World, final_after, mints},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_balances_change_without_events_is_found_out() {
    let Some(anvil) = Anvil::start("the verdict on tokens").await else { return };
    for (contract, holders, differing) in [("TestToken", 20, 0), ("RebasingToken", 20, 20)] {
        let token = anvil.deploy(contract).await;
        anvil.transfer(&token, &mints(holders)).await;
        anvil.mine(5).await;
        let sources = [("node", SourceKind::Rpc, anvil.url.as_str())];
        let world = World::new(final_after(2, &sources), &token, (0, None)).await;
        let asset_id = world.stream().await.asset_id;
        let is_due = async || {
            let day = std::time::Duration::from_secs(86_400);
            token_checks::is_due(&world.schema.database, asset_id, day).await.unwrap()
        };
        assert!(is_due().await);
        world.sync().await;
        assert!(!is_due().await);
        let row = world
            .schema
            .sql
            .query_one(
                "SELECT sampled, differing, recorded_supply = contract_supply FROM token_checks",
                &[],
            )
            .await
            .unwrap();
        let found: (i32, i32, Option<bool>) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(found, (20, differing, Some(true)), "{contract}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_fails_no_sync_and_is_not_tried_at_each() {
    let Some(anvil) = Anvil::start("a verdict that cannot be had").await else { return };
    let token = anvil.deploy("TestToken").await;
    anvil.transfer(&token, &mints(20)).await;
    anvil.mine(5).await;
    let provider = Provider::start(&anvil.url, Limits::None).await;
    let sources = [("node", SourceKind::Rpc, provider.url.as_str())];
    let world = World::new(final_after(2, &sources), &token, (0, None)).await;
    provider.refuse_calls();
    world.sync().await;
    assert_eq!(world.jobs().await, []);
    let checks = "SELECT count(*) FROM token_checks";
    let checks: i64 = world.schema.sql.query_one(checks, &[]).await.unwrap().get(0);
    assert_eq!(checks, 0);
    let (asset_id, day) = (world.stream().await.asset_id, std::time::Duration::from_secs(86_400));
    let database = &world.schema.database;
    assert!(!token_checks::is_due(database, asset_id, day).await.unwrap());
    assert!(token_checks::is_due(database, asset_id, std::time::Duration::ZERO).await.unwrap());
    let before = provider.calls();
    world.sync().await;
    assert_eq!(provider.calls() - before, 2, "a question for the chain, and one for its head");
}
