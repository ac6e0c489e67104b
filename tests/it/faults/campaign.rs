//! Writers at work, and somebody who asks.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use daybook::grpc::pb::v1::analytics_service_client::AnalyticsServiceClient;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng, seq::IndexedRandom};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::{
    faults::{
        books::{ACCOUNTS, Books, question},
        writers::{Author, check_is_fit, connect, write},
    },
    support::cluster::eventually,
};

/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// What those at work share.
pub(super) struct Shared {
    /// Where the instances serve.
    pub(super) addresses: Vec<SocketAddr>,
    /// What they know.
    pub(super) books: Mutex<Books>,
    /// Told when nothing new is to be sent.
    pub(super) stop: CancellationToken,
}

/// Writers at work.
pub(super) struct Campaign {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Campaign {
    pub(super) fn start(
        addresses: Vec<SocketAddr>,
        writers: usize,
        random: &mut ChaCha12Rng,
    ) -> Self {
        let (books, stop) = (Mutex::default(), CancellationToken::new());
        let shared = Arc::new(Shared { addresses, books, stop });
        let mut tasks = Vec::new();
        for number in 1..=writers {
            let author = Author::new(number as u128, random);
            tasks.push(tokio::spawn(write(author, shared.clone())));
        }
        let random = ChaCha12Rng::seed_from_u64(random.random());
        tasks.push(tokio::spawn(ask(random, shared.clone())));
        Self { shared, tasks }
    }

    /// Waits until so many more chunks are acknowledged.
    pub(super) async fn progress(&self, chunks: u64) {
        let wanted = self.chunks() + chunks;
        eventually("more chunks are acknowledged", async || {
            // Why was said where it happened.
            assert!(!self.tasks.iter().any(JoinHandle::is_finished), "a task failed");
            self.chunks() >= wanted
        })
        .await;
    }

    /// Lets everybody finish; returns what they know.
    pub(super) async fn end(self) -> Books {
        self.shared.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut self.shared.books.lock().unwrap())
    }

    fn chunks(&self) -> u64 {
        self.shared.books.lock().unwrap().chunks
    }
}

/// Asks for sums that are verified against the rows, in the midst of everything.
async fn ask(mut random: ChaCha12Rng, shared: Arc<Shared>) {
    while !shared.stop.is_cancelled() {
        let address = *shared.addresses.choose(&mut random).unwrap();
        let (account, direction) = (random.random_range(0..ACCOUNTS), random.random_range(1..=2));
        match verified(address, account, direction).await {
            Ok(()) => shared.books.lock().unwrap().answers += 1,
            // An account comes with its first row.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => check_is_fit(&status),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn verified(address: SocketAddr, account: usize, direction: i32) -> Result<(), Status> {
    let mut client = AnalyticsServiceClient::new(connect(address).await?);
    let answer = client.sum_amount(question(account, direction)).await?.into_inner();
    let verification = answer.verification.expect("it was asked for");
    assert!(verification.agrees, "{verification:?}");
    Ok(())
}
