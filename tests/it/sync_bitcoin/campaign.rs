//! A campaign of reorganisations: of any depth that is not final, before and in the middle of
//! walks, with workers killed at any call; in the end the database is that of a fresh scan.

use rand::{Rng, RngExt};

use crate::{
    support::{
        bitcoin_chain::{Chain, KEYS},
        bitcoin_life::{other_history, payments},
        esplora::{Api, EsploraServer},
        random::random,
        wallets::{FINALITY, Wallets},
    },
    sync_bitcoin::{WALLETS, lively},
};

/// Rounds, unless `DAYBOOK_TEST_REORGANISATIONS` says otherwise.
const ROUNDS: u32 = 12;

pub(crate) fn rounds() -> u32 {
    let given = std::env::var("DAYBOOK_TEST_REORGANISATIONS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// Lets blocks come, and others take their places.
async fn live(chain: &mut Chain, random: &mut impl Rng) {
    for _ in 0..random.random_range(0..3) {
        let transactions = payments(chain, random.random_range(0..5), random).await;
        chain.mine(random.random_range(0..KEYS), transactions).await;
    }
    if random.random_bool(0.8) {
        let depth = random.random_range(1..=FINALITY);
        let blocks = other_history(chain, depth, random).await;
        chain.reorganise(depth, blocks).await;
    }
    for transaction in payments(chain, random.random_range(0..3), random).await {
        chain.send(&transaction).await;
    }
}

pub(crate) async fn campaign(mut chain: Chain, rounds: u32) {
    let mut random = random();
    lively(&mut chain, 20).await;
    let servers = [
        EsploraServer::start(Api::Blockstream, chain.index()).await,
        EsploraServer::start(Api::Mempool, chain.index()).await,
        EsploraServer::start(Api::BlockchainInfo, chain.index()).await,
    ];
    servers.iter().for_each(|server| server.knobs().page_length = random.random_range(3..30));
    let [one, two, three] = &servers;
    let apis = [Api::Blockstream, Api::Mempool, Api::BlockchainInfo];
    let sources: Vec<_> = [one, two, three].into_iter().zip(apis).collect();
    let wallets = Wallets::new(&sources).await;
    for round in 0..rounds {
        live(&mut chain, &mut random).await;
        wallets.request(&WALLETS).await;
        // Which answer is waited for, of the first source or of the others where it is left alone.
        let held = servers[0].hold("", random.random_range(0..20));
        match random.random_range(0..4) {
            0 => {}
            1 => {
                tokio::select! {
                    () = held.asked() => {}
                    () = wallets.finish() => {}
                }
            }
            _ => {
                let change = async {
                    held.asked().await;
                    live(&mut chain, &mut random).await;
                    held.free();
                };
                let both = async { tokio::join!(wallets.finish(), change) };
                // Where fewer questions come there is nothing to hold.
                let _ = tokio::time::timeout(std::time::Duration::from_secs(3), both).await;
            }
        }
        held.free();
        wallets.sync(&WALLETS).await;
        wallets.check(&chain, &WALLETS, &format!("round {round}")).await;
    }
    let fresh = Wallets::new(&sources).await;
    fresh.sync(&WALLETS).await;
    assert_eq!(fresh.rows().await, wallets.rows().await);
}

#[tokio::test]
async fn any_reorganisations_end_like_a_fresh_scan() {
    Box::pin(campaign(Chain::made(), rounds())).await;
}
