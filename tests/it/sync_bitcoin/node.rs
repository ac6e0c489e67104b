//! The same over a real node in regtest.

use std::collections::BTreeMap;

use daybook::grpc::pb::v1::{AccountKey, GetBalanceRequest, get_balance_request::Subject};
use esplora_client::Builder;

use crate::{
    support::{
        bitcoin_chain::{Chain, address, script},
        bitcoin_life::other_history,
        bitcoind::bitcoins,
        esplora::{Api, EsploraServer},
        random::random,
        wallets::Wallets,
    },
    sync_bitcoin::{WALLETS, campaign, lively},
};

/// What three of them say that each wallet has: the node's own unspent outputs, another client of
/// the server, and Daybook.
async fn compare(chain: &Chain, server: &EsploraServer, wallets: &Wallets) {
    let client = Builder::new(&server.url()).build_async().unwrap();
    let mut answers = BTreeMap::new();
    for key in WALLETS {
        let node = chain.node().unwrap().balance(&script(key)).await;
        let own = address(key).parse::<bitcoin::Address<_>>().unwrap().assume_checked();
        let stats = client.get_address_stats(&own).await.unwrap().chain_stats;
        let other = bitcoins((stats.funded_txo_sum - stats.spent_txo_sum).to_sat());
        let account = AccountKey { network: "bitcoin-regtest".into(), address: address(key) };
        let request = GetBalanceRequest {
            subject: Some(Subject::Account(account)),
            asset: wallets.stream(key).await.asset_code,
            allow_partial: true,
            ..Default::default()
        };
        let answer = wallets.service.ledger().await.get_balance(request).await;
        answers.insert(key, (node, other, answer.unwrap().into_inner().balance));
    }
    for (key, (node, other, daybook)) in answers {
        assert_eq!(node, other, "{key}");
        assert_eq!(node, daybook, "{key}");
    }
}

#[tokio::test]
async fn a_node_another_client_and_daybook_agree_on_every_balance() {
    let Some(mut chain) = Chain::of_node("three answers about wallets").await else { return };
    lively(&mut chain, 30).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    wallets.sync(&WALLETS).await;
    wallets.check(&chain, &WALLETS, "a node").await;
    compare(&chain, &server, &wallets).await;
    let blocks = other_history(&chain, 5, &mut random()).await;
    chain.reorganise(5, blocks).await;
    wallets.sync(&WALLETS).await;
    wallets.check(&chain, &WALLETS, "a node after a reorganisation").await;
    compare(&chain, &server, &wallets).await;
}

#[tokio::test]
async fn any_reorganisations_of_a_node_end_like_a_fresh_scan() {
    let Some(chain) = Chain::of_node("reorganisations of a real node").await else { return };
    Box::pin(campaign::campaign(chain, campaign::rounds())).await;
}
