//! A wallet with a long history: read in parts, gone on with where it was cut off.

use bitcoin::OutPoint;

use crate::support::{
    bitcoin_chain::{Chain, NewBlock, script},
    bitcoin_life::settle,
    esplora::{Api, EsploraServer},
    schema::one,
    wallets::Wallets,
};

/// Transactions, unless `DAYBOOK_TEST_LONG_WALLET` says otherwise.
const LENGTH: usize = 6_000;

/// Transactions of a block.
const BLOCK_LENGTH: usize = 100;

pub(crate) fn length() -> usize {
    let given = std::env::var("DAYBOOK_TEST_LONG_WALLET").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(LENGTH)
}

/// A chain in which the key 0 has so many transactions.
pub(crate) async fn long_chain(length: usize) -> Chain {
    let mut chain = Chain::made();
    settle(&mut chain).await;
    let (mut coin, mut value, _) = chain.spendable().into_iter().find(|one| one.2 == 0).unwrap();
    let mut blocks = Vec::new();
    for _ in 0..length.div_ceil(BLOCK_LENGTH) {
        let mut transactions = Vec::new();
        for _ in 0..BLOCK_LENGTH {
            value -= 1_000;
            let created = [(script(0), value), (script(1), 900)];
            let transaction = chain.sign(&[coin], &created).await;
            coin = OutPoint::new(transaction.compute_txid(), 0);
            transactions.push(transaction);
        }
        blocks.push(NewBlock { miner: 3, transactions });
    }
    chain.reorganise(0, blocks).await;
    chain
}

#[tokio::test]
async fn a_long_scan_goes_on_where_it_was_cut_off() {
    let mut chain = long_chain(length()).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    let pages = length() / 25;
    let count = "SELECT count(*) FROM sync_transactions";
    let mut cuts = 0;
    for share in [2, 3] {
        let held = server.hold("/txs/chain", pages / share);
        wallets.request(&[0]).await;
        tokio::select! {
            () = held.asked() => cuts += 1,
            () = wallets.finish() => {}
        }
        held.free();
        let recorded: i64 = one(&wallets.service.sql, count).await;
        assert!(recorded > 0, "nothing was recorded before the cut");
        // Blocks come meanwhile.
        chain.mine_empty(0, 2).await;
    }
    assert_eq!(cuts, 2);
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "a long wallet").await;
    let questions = server.questions();
    let asked = questions.iter().filter(|path| path.contains("/txs/chain")).count();
    // Each cut costs what was read and not written: a batch of 2,000 is 80 pages.
    assert!(asked < pages + 3 * 90, "{asked} pages of {pages}");
    server.questions();
    wallets.sync(&[0]).await;
    assert_eq!(server.questions().len(), 2);
}
