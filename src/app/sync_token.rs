//! `daybook sync-token`: syncs one token here and now, and shows how far it has come.

use std::{
    io::{self, IsTerminal},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{checks, work::with_syncer},
    cli::SyncTokenArgs,
    domain::{access::Scope, account::AccountKey, job::JobState},
    sync::{Progress, Sync, Which, request::Priority},
};

/// Time between two looks how far the job has come.
const SHOW_INTERVAL: Duration = Duration::from_millis(200);

/// Time between two jobs of a token that is followed, and between two looks at one that others
/// have.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(3);

/// Syncs a token.
///
/// # Errors
/// If the settings are wrong, the database cannot be opened, or the job is parked.
pub async fn sync_token(arguments: &SyncTokenArgs) -> anyhow::Result<()> {
    checks::sync_token(arguments)?;
    let contract = AccountKey::canonical(&arguments.network, &arguments.contract)
        .map_err(|error| anyhow!("NETWORK CONTRACT: {error}"))?;
    with_syncer(&arguments.migrate, &arguments.sync, async |sync, stop| {
        follow(sync, &contract, arguments, stop).await
    })
    .await
}

/// Has one job after the other done, as long as there is something to follow.
async fn follow(
    sync: &Sync,
    contract: &AccountKey,
    arguments: &SyncTokenArgs,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (network, address) = (contract.network(), contract.address().as_str());
    let stream = tokio::select! {
        stream = sync.token_stream(network, address, arguments.from, arguments.to) => {
            stream.with_context(|| format!("{} {address}", network.as_str()))?
        }
        () = stop.cancelled() => return Ok(()),
    };
    let bar = bar();
    while !stop.is_cancelled() {
        let requested = sync.request_now(stream.stream_id, Priority::Requested).await?;
        let progress = Arc::new(Mutex::new(Progress::default()));
        let working =
            sync.work_at("sync-token", Which::Job(requested.job_id), Arc::clone(&progress), stop);
        let worked = tokio::select! {
            worked = working => worked?,
            never = show(&bar, &progress) => never,
        };
        let job = sync.get_job(requested.job_id, Scope::Everybody).await?;
        match job.state {
            JobState::Parked => bail!("{}", job.message.unwrap_or_default()),
            JobState::Succeeded if arguments.once || arguments.to.is_some() => {
                bar.finish_and_clear();
                tracing::info!(
                    rows = job.progress.done,
                    head_height = job.head_height,
                    "{}",
                    job.message.unwrap_or_default()
                );
                return Ok(());
            }
            JobState::Succeeded | JobState::Queued | JobState::Running => {}
        }
        if let (true, JobState::Queued, Some(message)) = (worked, job.state, job.message) {
            bar.println(format!("is tried again: {message}"));
        }
        // Reached the head, put off, or another worker's.
        let _ = tokio::time::timeout(FOLLOW_INTERVAL, stop.cancelled()).await;
    }
    bar.finish_and_clear();
    Ok(())
}

fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} block {pos} of {len}  {per_sec}  {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
}

/// Shows how far the job has come, for as long as it is worked at.
async fn show(bar: &ProgressBar, progress: &Mutex<Progress>) -> bool {
    loop {
        tokio::time::sleep(SHOW_INTERVAL).await;
        let told = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(of) = told.of.and_then(|of| u64::try_from(of).ok()) {
            bar.set_length(of);
            bar.set_position(u64::try_from(told.done).unwrap_or(0));
        }
    }
}
