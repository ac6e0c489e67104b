//! Stop signals: the first asks for an orderly end, the second for a quick one.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::grpc::serve::Stop;

/// The signals that ask for the end.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal was closed; absent where the caller wants that to be survived.
    hang_up: Option<Signal>,
}

/// Listens for SIGINT, SIGTERM and SIGHUP from now on.
///
/// # Errors
/// If the system does not let signals be heard.
pub(super) fn listen() -> anyhow::Result<Stop> {
    let mut signals = StopSignals::listen()?;
    let stop = Stop { drain: CancellationToken::new(), hurry: CancellationToken::new() };
    let told = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping; a second signal does not wait for requests at work");
        told.drain.cancel();
        signals.next().await;
        told.hurry.cancel();
    });
    Ok(stop)
}

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        let hang_up = if is_hang_up_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// Whether this process was started with SIGHUP ignored, as `nohup` does: listening for it
/// would undo that. Only Linux tells without unsafe code; elsewhere the answer is no.
fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        // Signal n is bit n - 1, and SIGHUP is signal 1.
        .is_some_and(|mask| mask & 1 != 0)
}
