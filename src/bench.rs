//! `daybook bench`: a load generator over a running server's real port.
//!
//! A client like any other: of Daybook's it uses the contracts' generated types and the
//! settings, never the database. It shares the machine with the server that it measures, so a
//! call costs it little: requests are encoded before the load begins, answers are not decoded,
//! each call under way is one task, and each task counts for itself until the end.
//!
//! `mix`, `schedule`, `windows`, `questions` and `summary` are pure; `data` asks the server
//! what there is to ask for; `load` makes the calls.

mod data;
mod error;
mod load;
mod mix;
mod questions;
mod raw;
mod recorder;
mod schedule;
mod summary;
mod windows;

use std::{path::Path, sync::Arc};

pub use error::BenchError;
use load::Load;
use rand::{SeedableRng, rngs::ChaCha12Rng};
pub use summary::{CallSummary, Latencies, Summary};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::{
    config::{BenchSettings, Call},
    endpoint::endpoint,
};

/// Bytes that a connection takes before it asks for more: large answers do not wait.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// Requests that are left to the warm-up: what is measured begins behind them.
const WARM_UP_REQUESTS: usize = 32_768;

/// Loads the server as told and returns what was measured.
///
/// # Errors
/// If nobody answers at the address, there is nothing to ask for, or calls do not come back.
/// Calls that are answered with an error are counted, and no error here.
pub async fn run(settings: &BenchSettings) -> Result<Summary, BenchError> {
    let channels = connect(settings).await?;
    let weights = settings.weights();
    let channel = channels[0].clone();
    let asks_nothing = weights.0.iter().all(|(call, _)| *call == Call::Health);
    let data = match asks_nothing {
        true => None,
        false => Some(data::find(channel, settings).await?),
    };
    let mut random = ChaCha12Rng::seed_from_u64(settings.seed);
    let sets = weights
        .0
        .iter()
        .map(|&(call, _)| questions::make(call, settings, data.as_ref(), &mut random))
        .collect();
    let load = Arc::new(Load {
        channels,
        sets,
        cycle: mix::cycle(&weights),
        callers: usize::from(settings.concurrency),
        rate: settings.rate,
    });
    // A run of its own: what an open loop is behind with at its end is not measured.
    load::run(&load, settings.warm_up, 0).await?;
    let measured = load::run(&load, settings.duration, WARM_UP_REQUESTS).await?;
    Ok(Summary::new(&weights, measured))
}

/// A connection that shows the token, where there is one.
type Line = InterceptedService<Channel, ShowToken>;

/// Puts the token, if there is one, into each call.
#[derive(Clone)]
struct ShowToken(Option<MetadataValue<Ascii>>);

impl Interceptor for ShowToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl ShowToken {
    fn from_file(file: Option<&Path>) -> Result<Self, BenchError> {
        let Some(file) = file else { return Ok(Self(None)) };
        let unreadable = |source| BenchError::File { file: file.to_owned(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {}", text.trim()).parse().map_err(|_| BenchError::Token)?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

async fn connect(settings: &BenchSettings) -> Result<Vec<Line>, BenchError> {
    let token = ShowToken::from_file(settings.token_file.as_deref())?;
    let endpoint =
        endpoint(&settings.address, settings.ca.as_deref(), settings.server_name.as_deref())?;
    let endpoint = endpoint
        .connect_timeout(data::PATIENCE)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES);
    let mut channels = Vec::new();
    // A connection without a caller would measure nothing.
    for _ in 0..settings.connections.min(settings.concurrency) {
        let channel = endpoint.connect().await.map_err(|source| BenchError::Unreachable {
            address: settings.address.clone(),
            source,
        })?;
        channels.push(InterceptedService::new(channel, token.clone()));
    }
    Ok(channels)
}
