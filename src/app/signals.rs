//! Stop signals: the first asks for an orderly end, the second for a quick one.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::grpc::serve::Stop;

/// Listens for SIGINT and SIGTERM from now on.
///
/// # Errors
/// If the system does not let signals be heard.
pub(super) fn listen() -> anyhow::Result<Stop> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = Stop { drain: CancellationToken::new(), hurry: CancellationToken::new() };
    let told = stop.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping; a second signal does not wait for requests at work");
        told.drain.cancel();
        either(&mut interrupt, &mut terminate).await;
        told.hurry.cancel();
    });
    Ok(stop)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
