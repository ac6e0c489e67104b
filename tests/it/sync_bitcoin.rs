//! Wallets of Bitcoin, synced from servers of every kind over chains that change: what is recorded
//! is what the chain has, and no more is asked than need be.

mod campaign;
mod changes;
mod long;
mod node;

use rand::RngExt;

use crate::support::{
    bitcoin_chain::{Chain, script},
    bitcoin_life::{payments, settle},
    esplora::{Api, EsploraServer},
    random::random,
    wallets::Wallets,
};

/// Keys with an address.
pub(crate) const WALLETS: [u8; 4] = [0, 1, 2, 4];

const APIS: [Api; 3] = [Api::Blockstream, Api::Mempool, Api::BlockchainInfo];

/// A chain in which much has happened.
pub(crate) async fn lively(chain: &mut Chain, blocks: usize) {
    let mut random = random();
    settle(chain).await;
    for _ in 0..blocks {
        let transactions = payments(chain, random.random_range(0..6), &mut random).await;
        chain.mine(random.random_range(0..8), transactions).await;
    }
    for transaction in payments(chain, 3, &mut random).await {
        chain.send(&transaction).await;
    }
}

/// Two servers that tell a chain, and what asks them, the first one first.
pub(crate) async fn two_sources(chain: &Chain) -> ([EsploraServer; 2], Wallets) {
    let servers = [
        EsploraServer::start(Api::Blockstream, chain.index()).await,
        EsploraServer::start(Api::Mempool, chain.index()).await,
    ];
    let sources = [(&servers[0], Api::Blockstream), (&servers[1], Api::Mempool)];
    let wallets = Wallets::new(&sources).await;
    (servers, wallets)
}

#[tokio::test]
async fn a_history_becomes_rows_whoever_tells_it() {
    let mut chain = Chain::made();
    lively(&mut chain, 40).await;
    for api in APIS {
        let server = EsploraServer::start(api, chain.index()).await;
        let wallets = Wallets::new(&[(&server, api)]).await;
        wallets.sync(&WALLETS).await;
        wallets.check(&chain, &WALLETS, &format!("{api:?}")).await;
    }
}

#[tokio::test]
async fn a_second_sync_asks_for_what_is_new_and_nothing_else() {
    let mut chain = Chain::made();
    lively(&mut chain, 60).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    wallets.sync(&[0]).await;
    let first = server.questions();
    assert!(first.iter().filter(|path| path.contains("/txs/chain")).count() > 1, "{first:?}");

    wallets.sync(&[0]).await;
    let paths = server.questions();
    assert_eq!(paths.len(), 2, "nothing is new: {paths:?}");

    let mut random = random();
    let mut transactions = payments(&chain, 4, &mut random).await;
    transactions.truncate(1);
    chain.mine(3, transactions).await;
    wallets.sync(&[0]).await;
    let paths = server.questions();
    let of = |part: &str| paths.iter().filter(|path| path.contains(part)).count();
    // The newest block's hash and the block, one page, that it still is there, and the mempool;
    // where the page has two of one block that is new, its order.
    assert_eq!((of("/blocks/tip/hash"), of("/txs/chain"), of("/block-height/")), (1, 1, 1));
    assert!(paths.len() <= 5 + of("/txids"), "{paths:?}");
    wallets.check(&chain, &[0], "after three").await;
}

#[tokio::test]
async fn rows_of_a_block_are_in_its_order() {
    let mut chain = Chain::made();
    settle(&mut chain).await;
    // A chain of payments from the owner to itself, all in one block, told by the order of hashes.
    let (mut coin, mut value, _) = chain.spendable().into_iter().find(|coin| coin.2 == 0).unwrap();
    let mut transactions = Vec::new();
    for _ in 0..12 {
        value -= 100;
        let transaction = chain.sign(&[coin], &[(script(0), value)]).await;
        coin = bitcoin::OutPoint::new(transaction.compute_txid(), 0);
        transactions.push(transaction);
    }
    chain.mine(1, transactions.clone()).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "one block").await;
    let text = "SELECT reference FROM transactions WHERE amount = 0.000001 \
        AND sender_id = (SELECT account_id FROM sync_streams) ORDER BY occurred_at, position";
    let rows = wallets.service.sql.query(text, &[]).await.unwrap();
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let expected: Vec<String> =
        transactions.iter().map(|one| one.compute_txid().to_string()).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn wallets_that_share_a_transaction_record_it_once() {
    let mut chain = Chain::made();
    lively(&mut chain, 30).await;
    let (_servers, wallets) = two_sources(&chain).await;
    wallets.request(&WALLETS).await;
    // All at once.
    tokio::join!(wallets.finish(), wallets.finish(), wallets.finish());
    wallets.check(&chain, &WALLETS, "at once").await;
    assert_eq!(wallets.parked().await, Vec::<String>::new());
}
