//! Rows that come in while everything breaks: what was acknowledged is there, once; what was
//! refused is not; running totals are those of the rows.
//!
//! Writers send chunks of rows with ids of their own through `RecordTransactions`, and send
//! again, with the same ids, whatever they have no acknowledgement of. A usual run is small;
//! `DAYBOOK_FAULT_KILLS=100 DAYBOOK_FAULT_CUTS=1000 cargo test --test it faults -- --nocapture`
//! is a large one, and prints what was done.

mod books;
mod campaign;
mod cuts;
mod deployment;
mod writers;

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use rand::{RngExt, seq::SliceRandom};

use crate::{
    faults::{
        campaign::Campaign,
        deployment::{Deployment, Victim},
        writers::AHEAD_MAX,
    },
    support::random::random,
};

/// Kills of each kind in a usual run: Postgres takes some seconds to recover.
const KILLS: usize = 10;

/// The same beneath four instances, of which each takes its time to come back.
const KILLS_OF_FOUR: usize = 3;

/// Writers that send at once.
const WRITERS: usize = 4;

/// More chunks than can be on their way at once: when they are acknowledged, work goes on.
const ON_THEIR_WAY: u64 = (WRITERS * AHEAD_MAX) as u64 + 1;

/// Longest time from the writers' being at work to a kill.
const MOMENT_MAX_MS: u64 = 150;

/// Times from a kill to work's going on, for whoever writes.
#[derive(Default)]
struct Outages(BTreeMap<Victim, Vec<Duration>>);

impl Outages {
    fn note(&mut self, victim: Victim, took: Duration) {
        self.0.entry(victim).or_default().push(took);
    }
}

impl fmt::Display for Outages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (victim, took) in &self.0 {
            let mean = took.iter().sum::<Duration>() / u32::try_from(took.len()).unwrap();
            let most = took.iter().max().unwrap();
            let count = took.len();
            write!(formatter, "\n  {count} x {victim:?}: {mean:.1?} mean, {most:.1?} at most")?;
        }
        Ok(())
    }
}

/// A number of the environment, or else the usual one.
fn size(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// Kills everything again and again beneath writers, and checks what is there then.
async fn kill_beneath_writers(instances: usize, kills: usize) {
    let mut random = random();
    let mut deployment = Deployment::start(instances).await;
    let campaign = Campaign::start(deployment.addresses(), WRITERS, &mut random);
    let mut outages = Outages::default();
    campaign.progress(ON_THEIR_WAY).await;
    for _ in 0..kills {
        let mut victims = [Victim::Postmaster, Victim::Backend, Victim::Service];
        victims.shuffle(&mut random);
        for victim in victims {
            let moment = random.random_range(0..MOMENT_MAX_MS);
            tokio::time::sleep(Duration::from_millis(moment)).await;
            let killed_at = Instant::now();
            deployment.kill(victim, &mut random).await;
            campaign.progress(ON_THEIR_WAY).await;
            outages.note(victim, killed_at.elapsed());
        }
    }
    let books = campaign.end().await;
    books.check(&deployment.sql().await, deployment.addresses()[0]).await;
    deployment.audit();
    deployment.end().await;
    eprintln!("{instances} instances, {kills} kills of each kind: {books}{outages}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_acknowledged_row_and_double_none() {
    kill_beneath_writers(1, size("DAYBOOK_FAULT_KILLS", KILLS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_beneath_four_instances_lose_no_acknowledged_row_and_double_none() {
    kill_beneath_writers(4, size("DAYBOOK_FAULT_KILLS", KILLS_OF_FOUR)).await;
}
