//! Chains that change while or before they are read, and servers that fail in the middle.

use std::{sync::Arc, time::Duration};

use crate::{
    support::{
        bitcoin_chain::{Chain, NewBlock, script},
        bitcoin_life::{other_history, settle},
        esplora::{Api, EsploraServer, Refusal},
        random::random,
        schema::one,
        wallets::{FINALITY, Wallets},
    },
    sync_bitcoin::{WALLETS, lively, two_sources},
};

#[tokio::test]
async fn what_a_reorganisation_drops_moves_and_replaces_is_corrected() {
    let mut chain = Chain::made();
    lively(&mut chain, 30).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    wallets.sync(&WALLETS).await;
    for depth in 1..=FINALITY {
        let blocks = other_history(&chain, depth, &mut random()).await;
        chain.reorganise(depth, blocks).await;
        wallets.sync(&WALLETS).await;
        wallets.check(&chain, &WALLETS, &format!("after {depth}")).await;
        // What is deep enough is final, so that the next one must not reach it.
        chain.mine_empty(3, FINALITY).await;
    }
}

#[tokio::test]
async fn a_reorganisation_between_two_pages_is_seen() {
    for (api, is_first) in [
        (Api::Blockstream, true),
        (Api::Blockstream, false),
        (Api::Mempool, true),
        (Api::BlockchainInfo, true),
    ] {
        let mut chain = Chain::made();
        lively(&mut chain, 60).await;
        let server = EsploraServer::start(api, chain.index()).await;
        server.knobs().page_length = 5;
        let wallets = Wallets::new(&[(&server, api)]).await;
        if !is_first {
            wallets.sync(&[0]).await;
            let blocks = other_history(&chain, 4, &mut random()).await;
            chain.reorganise(4, blocks).await;
            for _ in 0..12 {
                chain.mine_empty(0, 1).await;
            }
        }
        let part = if api == Api::BlockchainInfo { "/rawaddr/" } else { "/txs/chain" };
        let held = server.hold(part, 2);
        wallets.request(&[0]).await;
        let change = async {
            held.asked().await;
            let blocks = other_history(&chain, 5, &mut random()).await;
            chain.reorganise(5, blocks).await;
            held.free();
        };
        tokio::join!(wallets.finish(), change);
        assert_eq!(wallets.parked().await, Vec::<String>::new());
        wallets.check(&chain, &[0], &format!("{api:?} {is_first}")).await;
    }
}

#[tokio::test]
async fn a_reorganisation_of_what_was_final_parks_the_job_and_takes_nothing_back() {
    let mut chain = Chain::made();
    lively(&mut chain, 30).await;
    for _ in 0..3 {
        chain.mine_empty(0, 1).await;
    }
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    chain.mine_empty(3, FINALITY).await;
    wallets.sync(&[0]).await;
    let before = wallets.rows().await;
    let depth = FINALITY + 2;
    let block = NewBlock { miner: 3, transactions: Vec::new() };
    chain.reorganise(depth, vec![block; 10]).await;
    wallets.request(&[0]).await;
    wallets.finish().await;
    let parked = wallets.parked().await;
    assert!(parked.len() == 1 && parked[0].contains("was final"), "{parked:?}");
    assert_eq!(wallets.rows().await, before);
}

/// A block that is not in the chain.
const FOREIGN: &str = "00000000000000000001f1c5b8b3f4dc1e0d9a6c5b4a39281706f5e4d3c2b1a0";

#[tokio::test]
async fn a_source_of_another_chain_is_given_up_and_parks_a_job_only_if_none_says_otherwise() {
    let mut chain = Chain::made();
    lively(&mut chain, 30).await;
    let (servers, wallets) = two_sources(&chain).await;
    wallets.sync(&[0]).await;
    chain.mine_empty(0, 1).await;
    let tell_another_chain = |server: &EsploraServer| {
        server.refuse("/txs/chain", 1_000, Refusal::Body("[]"));
        server.refuse("/block-height/", 1_000, Refusal::Body(FOREIGN));
    };
    tell_another_chain(&servers[0]);
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "one of another chain").await;
    chain.mine_empty(0, 1).await;

    // The other one cannot be asked: nothing is certain yet.
    let before = wallets.rows().await;
    servers[1].refuse("", 1, Refusal::Status(503, vec![("Retry-After", "1")], ""));
    wallets.request(&[0]).await;
    assert!(wallets.work().await);
    assert_eq!(wallets.parked().await, Vec::<String>::new());
    tell_another_chain(&servers[1]);
    wallets.finish().await;
    let parked = wallets.parked().await;
    assert!(parked.len() == 1 && parked[0].contains("was final"), "{parked:?}");
    assert!(parked[0].contains("source0: ") && parked[0].contains("source1: "), "{parked:?}");
    assert_eq!(wallets.rows().await, before);
}

#[tokio::test]
async fn a_history_without_an_end_is_not_read_on_and_another_source_is_asked() {
    let mut chain = Chain::made();
    lively(&mut chain, 30).await;
    let (servers, wallets) = two_sources(&chain).await;
    // At first there are more than the source counts, and later more than a block holds.
    for (page_length, pages_most) in [(50, 30), (1_000, 20)] {
        servers[0].knobs().page_length = page_length;
        servers[0].knobs().endless = Some(1);
        chain.mine(0, Vec::new()).await;
        let synced = wallets.sync(&[0]);
        tokio::time::timeout(Duration::from_secs(60), synced).await.expect("it comes to an end");
        wallets.check(&chain, &[0], "an honest one").await;
        let questions = servers[0].questions();
        let pages = questions.iter().filter(|path| path.contains("/txs/chain")).count();
        assert!((10..pages_most).contains(&pages), "{pages} pages");
    }
}

#[tokio::test]
async fn a_long_backlog_after_a_head_that_is_gone_is_written_in_parts() {
    let mut chain = Chain::made();
    settle(&mut chain).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    chain.mine_empty(0, 2).await;
    wallets.sync(&[0]).await;
    // The newest two blocks are others now, and behind them are more than a batch.
    let head = chain.height();
    let block = NewBlock { miner: 0, transactions: Vec::new() };
    chain.reorganise(2, vec![block; 2_060]).await;
    let held = server.hold("/txs/chain", 82);
    wallets.request(&[0]).await;
    tokio::select! {
        () = held.asked() => {}
        () = wallets.finish() => panic!("nothing was held"),
    }
    held.free();
    let text = format!("SELECT count(*) FROM chain_transactions WHERE height > {head}");
    assert!(one::<i64>(&wallets.service.sql, &text).await >= 1_900, "nothing was written before");
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "after a long backlog").await;
}

#[tokio::test]
async fn a_list_that_lacks_what_is_in_the_chain_takes_nothing_back() {
    let mut chain = Chain::made();
    lively(&mut chain, 30).await;
    let (servers, wallets) = two_sources(&chain).await;
    wallets.sync(&[0]).await;
    chain.mine_empty(0, 1).await;
    // The first source has lost the history; the second one tells it.
    servers[0].refuse("/txs/chain", 1, Refusal::Body("[]"));
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "after an empty list").await;
    assert!(servers[1].questions().iter().any(|path| path.contains("/txs/chain")));
}

#[tokio::test]
async fn what_a_list_leaves_out_stays_as_long_as_its_block_is_there() {
    let mut chain = Chain::made();
    lively(&mut chain, 10).await;
    let (servers, wallets) = two_sources(&chain).await;
    chain.mine_empty(0, 3).await;
    wallets.sync(&[0]).await;
    servers[0].knobs().hidden = vec![chain.index().lock().unwrap().tip().txids[0]];
    chain.mine_empty(0, 1).await;
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "after a list with a hole").await;
    assert!(servers[1].questions().iter().any(|path| path.contains("/txs/chain")));
}

#[tokio::test]
async fn a_first_scan_that_is_shorter_than_the_source_says_is_not_complete() {
    let mut chain = Chain::made();
    lively(&mut chain, 10).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    chain.mine_empty(0, 3).await;
    server.knobs().hidden = vec![chain.index().lock().unwrap().tip().txids[0]];
    wallets.request(&[0]).await;
    assert!(wallets.work().await);
    let stream = wallets.stream(0).await;
    assert_eq!((stream.head_height, stream.complete_until), (None, None));
    // A few times, and then it is left for later.
    let pages = server.questions().iter().filter(|path| path.contains("/txs/chain")).count();
    assert!((2..30).contains(&pages), "{pages}");
    server.knobs().hidden.clear();
    wallets.sync(&[0]).await;
    wallets.check(&chain, &[0], "whole").await;
}

#[tokio::test]
async fn another_source_goes_on_where_one_runs_out() {
    let mut chain = Chain::made();
    lively(&mut chain, 60).await;
    for refusal in [
        Refusal::Status(429, vec![], "<html>Too Many Requests</html>"),
        Refusal::Status(402, vec![], r#"{"error":"quota"}"#),
        Refusal::Status(503, vec![("Retry-After", "600")], ""),
        Refusal::Body("<html></html>"),
        Refusal::Truncated,
    ] {
        let servers = [
            EsploraServer::start(Api::Blockstream, chain.index()).await,
            EsploraServer::start(Api::Mempool, chain.index()).await,
            EsploraServer::start(Api::BlockchainInfo, chain.index()).await,
        ];
        servers.iter().for_each(|server| server.knobs().page_length = 7);
        let [one, two, three] = &servers;
        let wallets = Wallets::new(&[
            (one, Api::Blockstream),
            (two, Api::Mempool),
            (three, Api::BlockchainInfo),
        ])
        .await;
        let held = one.hold("/txs/chain", 2);
        wallets.request(&[0]).await;
        let change = async {
            held.asked().await;
            one.refuse("", 1_000, refusal.clone());
            two.refuse("/txids", 1_000, refusal.clone());
            held.free();
        };
        tokio::join!(wallets.finish(), change);
        wallets.check(&chain, &[0], &format!("{refusal:?}")).await;
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_at_any_call_leaves_nothing_half() {
    let mut chain = Chain::made();
    lively(&mut chain, 30).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    server.knobs().page_length = 10;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    wallets.sync(&[1]).await;
    let blocks = other_history(&chain, 5, &mut random()).await;
    chain.reorganise(5, blocks).await;
    for after in 0..12 {
        let held = server.hold("", after);
        wallets.request(&WALLETS).await;
        tokio::select! {
            // Dropped wherever it waits for the answer.
            () = held.asked() => {}
            () = wallets.finish() => {}
        }
        drop(Arc::clone(&held));
        held.free();
    }
    wallets.sync(&WALLETS).await;
    wallets.check(&chain, &WALLETS, "after kills").await;
}

#[tokio::test]
async fn what_is_confirmed_is_not_unconfirmed_any_more() {
    let mut chain = Chain::made();
    lively(&mut chain, 10).await;
    let (coin, value) = loop {
        match chain.spendable().into_iter().find(|coin| coin.2 == 0 && coin.1 > 2_000) {
            Some((coin, value, _)) => break (coin, value),
            // By chance the wallet has too little left to spend.
            None => lively(&mut chain, 1).await,
        }
    };
    chain.index().lock().unwrap().mempool.clear();
    let waiting = chain.sign(&[coin], &[(script(1), 1_000), (script(0), value - 1_500)]).await;
    chain.send(&waiting).await;
    let server = EsploraServer::start(Api::Mempool, chain.index()).await;
    let wallets = Wallets::new(&[(&server, Api::Mempool)]).await;
    wallets.sync(&[0, 1]).await;
    wallets.check(&chain, &[0, 1], "waiting").await;
    chain.mine(5, vec![waiting]).await;
    wallets.sync(&[0, 1]).await;
    wallets.check(&chain, &[0, 1], "confirmed").await;
    let block = NewBlock { miner: 5, transactions: Vec::new() };
    chain.reorganise(1, vec![block; 2]).await;
    wallets.sync(&[0, 1]).await;
    wallets.check(&chain, &[0, 1], "waiting again").await;
}

#[tokio::test]
async fn a_page_after_what_is_in_the_chain_no_more_is_not_the_end() {
    const OWNER: u8 = 13;
    let mut chain = Chain::made();
    lively(&mut chain, 10).await;
    let server = EsploraServer::start(Api::Blockstream, chain.index()).await;
    server.knobs().page_length = 1;
    let wallets = Wallets::new(&[(&server, Api::Blockstream)]).await;
    wallets.sync(&[OWNER]).await;
    chain.mine(OWNER, Vec::new()).await;
    chain.mine(OWNER, Vec::new()).await;
    // The first page begins with a block that came after the newest one was asked for, and is gone
    // before the second page.
    let held = server.hold("/txs/chain", 0);
    wallets.request(&[OWNER]).await;
    let change = async {
        held.asked().await;
        chain.mine(OWNER, Vec::new()).await;
        let next = server.hold("/txs/chain", 0);
        held.free();
        next.asked().await;
        let block = NewBlock { miner: 3, transactions: Vec::new() };
        chain.reorganise(1, vec![block; 2]).await;
        next.free();
    };
    tokio::join!(wallets.finish(), change);
    // Nothing new is asked: what is recorded must be whole as of the block that it says.
    let recorded: i64 = one(&wallets.service.sql, "SELECT count(*) FROM sync_transactions").await;
    assert_eq!(recorded, 2);
    wallets.sync(&[OWNER]).await;
    wallets.check(&chain, &[OWNER], "after two pages").await;
}
