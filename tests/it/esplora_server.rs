//! The servers that stand for Esplora and blockchain.info (`support/esplora.rs`): read by a client
//! that is not ours, and by ours.

use std::collections::{BTreeSet, HashMap};

use bitcoin::{Network as Chains, OutPoint, Transaction, Txid};
use daybook::{
    domain::{account::Network, bitcoin::Found},
    outbound::{
        bitcoin::{BitcoinSource, Dialect, HistoryCount},
        source_error::{SourceError, SourceUrl},
    },
};
use esplora_client::{AsyncClient, Builder};

use crate::support::{
    bitcoin_chain::{Chain, MATURITY, address, data, script},
    esplora::{Api, EsploraServer, Refusal},
};

/// Whom most of it is about.
const OWNER: u8 = 0;

/// A chain in which the owner's history has more than two pages, with a transaction in the mempool.
async fn fill(chain: &mut Chain) -> Transaction {
    chain.mine_empty(OWNER, 3).await;
    chain.mine_empty(1, MATURITY).await;
    for number in 0..58_u8 {
        let (coin, value, _) = chain
            .spendable()
            .into_iter()
            .find(|&(_, value, key)| key == OWNER && value > 9_000)
            .unwrap();
        let created = [
            (script(2), 1_000 + u64::from(number)),
            (script(3), 500),
            (data([number; 4]), 0),
            (script(OWNER), value - 2_000),
        ];
        let first = chain.sign(&[coin], &created).await;
        // Another one in the same block spends it.
        let coin = OutPoint::new(first.compute_txid(), 3);
        let second = chain.sign(&[coin], &[(script(OWNER), value - 2_500)]).await;
        chain.mine(4, vec![first, second]).await;
    }
    let (coin, value, _) = chain.spendable().into_iter().find(|coin| coin.2 == OWNER).unwrap();
    let waiting = chain.sign(&[coin], &[(script(2), value - 700)]).await;
    chain.send(&waiting).await;
    waiting
}

fn stranger(server: &EsploraServer) -> AsyncClient {
    Builder::new(&server.url()).max_retries(0).build_async().unwrap()
}

fn ours(server: &EsploraServer, dialect: Dialect) -> BitcoinSource {
    let network = Network::parse("bitcoin-regtest").unwrap();
    BitcoinSource::new(dialect, network, SourceUrl::parse(&server.url()).unwrap()).unwrap()
}

fn plain(key: u8) -> daybook::domain::account::Address {
    daybook::domain::account::Address::parse(&address(key)).unwrap()
}

/// Names of all transactions of a key, walked as a client that is not ours walks.
async fn walked_by_stranger(client: &AsyncClient, key: u8) -> Vec<Txid> {
    let address = address(key).parse::<bitcoin::Address<_>>().unwrap();
    let address = address.require_network(Chains::Regtest).unwrap();
    let mut all = Vec::new();
    let mut last = None;
    loop {
        let page = client.get_address_txs(&address, last).await.unwrap();
        let confirmed = page.iter().filter(|one| one.status.confirmed);
        let confirmed: Vec<Txid> = confirmed.map(|one| one.txid).collect();
        let Some(&newest) = confirmed.last() else { return all };
        last = Some(newest);
        all.extend(confirmed);
    }
}

async fn check_esplora(chain: &Chain, api: Api, dialect: Dialect, waiting: &Transaction) {
    let index = chain.index();
    let server = EsploraServer::start(api, chain.index()).await;
    let (client, source) = (stranger(&server), ours(&server, dialect));
    let (height, tip) = {
        let index = index.lock().unwrap();
        (index.tip().height, index.tip().hash)
    };
    assert_eq!(client.get_height().await.unwrap(), height);
    assert_eq!(client.get_tip_hash().await.unwrap(), tip);
    assert_eq!(source.tip().await.unwrap().hash.to_string(), tip.to_string());
    assert_eq!(client.get_block_hash(height).await.unwrap(), tip);
    assert_eq!(source.block_at(height + 1).await, Ok(None));
    let told = client.get_block_info(&tip).await.unwrap();
    let block = source.block(source.tip().await.unwrap().hash).await.unwrap().unwrap();
    assert_eq!((told.height, block.height), (height, height));
    assert_eq!(i64::try_from(told.mediantime).unwrap(), block.median_at.unwrap().timestamp());
    let txids = client.get_block_txids(&tip).await.unwrap();
    let own = source.block_txids(block.hash).await.unwrap().unwrap();
    assert_eq!(texts(&txids), texts(&own));
    for key in [OWNER, 1, 2, 4] {
        let script = script(key);
        let all = walked_by_stranger(&client, key).await;
        let expected = index.lock().unwrap().history(&script).len();
        assert_eq!((all.len(), BTreeSet::from_iter(&all).len()), (expected, expected), "{key}");
        let (mut own, mut next) = (Vec::new(), None);
        loop {
            let page = source.history(&plain(key), next).await.unwrap();
            own.extend(page.transactions.iter().map(|one| one.transaction.txid()));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(texts(&all), texts(&own), "{key}");
        let address = address(key).parse::<bitcoin::Address<_>>().unwrap().assume_checked();
        let stats = client.get_address_stats(&address).await.unwrap();
        let own = source.stats(&plain(key)).await.unwrap();
        let count = u64::try_from(expected).unwrap();
        assert_eq!(u64::from(stats.chain_stats.tx_count), count, "{key}");
        assert_eq!(own.history, HistoryCount::Confirmed(count), "{key}");
    }
    let page = source.unconfirmed(&plain(2)).await.unwrap();
    let [one] = &page[..] else { panic!("one transaction") };
    assert_eq!(one.transaction.txid().to_string(), waiting.compute_txid().to_string());
    let status = client.get_tx_status(&waiting.compute_txid()).await.unwrap();
    assert!(!status.confirmed && one.found == Found::Unconfirmed);
}

fn texts(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn esplora_is_read_alike_by_another_client() {
    let mut chain = Chain::made();
    let waiting = fill(&mut chain).await;
    check_esplora(&chain, Api::Blockstream, Dialect::Blockstream, &waiting).await;
    check_esplora(&chain, Api::Mempool, Dialect::Mempool, &waiting).await;
}

#[tokio::test]
async fn a_real_node_s_chain_is_shown_alike() {
    let Some(mut chain) = Chain::of_node("an Esplora server over a real node").await else {
        return;
    };
    let waiting = fill(&mut chain).await;
    check_esplora(&chain, Api::Blockstream, Dialect::Blockstream, &waiting).await;
    check_esplora(&chain, Api::Mempool, Dialect::Mempool, &waiting).await;
}

#[tokio::test]
async fn cursors_that_are_not_there_end_a_list_in_one_dialect_and_fail_in_the_other() {
    let mut chain = Chain::made();
    fill(&mut chain).await;
    for (api, dialect) in
        [(Api::Blockstream, Dialect::Blockstream), (Api::Mempool, Dialect::Mempool)]
    {
        let server = EsploraServer::start(api, chain.index()).await;
        let source = ours(&server, dialect);
        let next = source.history(&plain(OWNER), None).await.unwrap().next;
        // Nobody has the transaction of a cursor that is in another history.
        let other = source.history(&plain(1), None).await.unwrap().next;
        assert_ne!(next, other);
        let page = source.history(&plain(OWNER), other).await;
        match api {
            Api::Blockstream => assert_eq!(page.unwrap().transactions, []),
            Api::Mempool | Api::BlockchainInfo => {
                assert!(matches!(page, Err(SourceError::UnknownPlace(_))), "{page:?}");
            }
        }
    }
}

#[tokio::test]
async fn blockchain_info_tells_the_same_history_by_places() {
    let mut chain = Chain::made();
    let waiting = fill(&mut chain).await;
    let server = EsploraServer::start(Api::BlockchainInfo, chain.index()).await;
    let source = ours(&server, Dialect::BlockchainInfo);
    let tip = source.tip().await.unwrap();
    assert_eq!(tip.height, Some(chain.height()));
    let (mut heights, mut next) = (HashMap::new(), None);
    let mut pages = 0;
    loop {
        let page = source.history(&plain(2), next).await.unwrap();
        for one in &page.transactions {
            let before = heights.insert(one.transaction.txid(), one.found.height());
            assert_eq!(before, None, "a page repeats what was there");
        }
        pages += 1;
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let expected = chain.index().lock().unwrap().history(&script(2)).len();
    assert_eq!((heights.len(), pages), (expected + 1, 2));
    let stats = source.stats(&plain(2)).await.unwrap();
    assert_eq!(stats.history, HistoryCount::WithUnconfirmed(u64::try_from(expected + 1).unwrap()));
    let page = source.unconfirmed(&plain(2)).await.unwrap();
    assert_eq!(page[0].transaction.txid().to_string(), waiting.compute_txid().to_string());
    let place = source.block_at(chain.height()).await.unwrap().unwrap();
    assert_eq!((place.hash, place.mined_at.is_some()), (tip.hash, true));
    assert_eq!(source.block(place.hash).await.unwrap().unwrap().height, chain.height());
    assert_eq!(source.block_txids(place.hash).await.unwrap().unwrap().len(), 3);
    assert_eq!(source.block_at(chain.height() + 1).await, Ok(None));
}

#[tokio::test]
async fn refusals_and_broken_answers_are_told_apart() {
    let mut chain = Chain::made();
    chain.mine_empty(OWNER, 2).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let source = ours(&server, Dialect::Blockstream);
    let html = "<html><body>Too Many Requests</body></html>";
    let is_limited: fn(SourceError) -> bool = |error| {
        let wait = Some(std::time::Duration::from_secs(7));
        error == SourceError::RateLimited { wait }
    };
    for (refusal, is_right) in [
        (Refusal::Status(429, vec![("Retry-After", "7")], html), is_limited),
        (Refusal::Status(402, vec![], "{}"), |error| {
            matches!(error, SourceError::QuotaUsedUp { wait: None })
        }),
        (Refusal::Status(503, vec![], html), |error| {
            matches!(error, SourceError::Unavailable { .. })
        }),
        (Refusal::Body(html), |error| matches!(error, SourceError::Malformed(_))),
        (Refusal::Truncated, |error| matches!(error, SourceError::Unavailable { .. })),
    ] {
        server.refuse("/txs/chain", 1, refusal.clone());
        let error = source.history(&plain(OWNER), None).await.unwrap_err();
        assert!(is_right(error.clone()), "{refusal:?}: {error:?}");
        assert_eq!(source.history(&plain(OWNER), None).await.unwrap().transactions.len(), 2);
    }
    assert_eq!(server.questions().len(), 10);
}
