//! The HTTP edge, on the same port as gRPC: what browsers and programs without gRPC ask.
//!
//! Nothing is answered here that the gRPC edge does not answer. A call in the form of gRPC-Web or
//! of Connect becomes a gRPC call before it reaches the gate, and passes the same checks and limits
//! as any: [`Outside`] stands before the gate and turns forms into each other, [`Inside`] stands
//! behind it and reads the messages, which by then are whole and have a place. Besides there are a
//! page without data and the metrics.
//!
//! Plain gRPC passes both untouched.

pub mod callers;
mod connect;
mod connect_stream;
mod contracts;
mod inside;
mod outside;
mod page;
mod repeats;

use std::sync::Arc;

use crate::{
    config::{MetricsMode, PageMode, ServerSettings, WebSettings},
    web::{
        callers::{Callers, IsNamed},
        contracts::Contracts,
        page::Page,
    },
};

pub use inside::{Inside, InsideService};
pub use outside::{Outside, OutsideService};

/// What tells the metrics, in the text format of Prometheus.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What the edge is made of besides its settings.
pub struct Parts {
    /// Encoded sets of descriptors of what is served, and of the details of errors.
    pub descriptors: Vec<&'static [u8]>,
    /// Whether the server's certificate is for a host; absent where nothing is encrypted.
    pub is_named: Option<IsNamed>,
    /// What tells the metrics, if anything does.
    pub metrics: Option<MetricsText>,
}

/// Why the edge cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Settings are wrong.
    #[error("{}", .0.join("; "))]
    Settings(Vec<String>),
    /// Descriptors do not go together.
    #[error("descriptors of the contracts")]
    Descriptors(#[from] prost_reflect::DescriptorError),
}

/// To whom metrics are served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum MetricsFor {
    Everybody,
    Tokens,
}

/// What both halves of the edge share.
struct Shared {
    callers: Callers,
    contracts: Contracts,
    page: Option<Page>,
    metrics: Option<(MetricsText, MetricsFor)>,
    request_bytes_max: usize,
}

/// What is wrong with settings, each in a line.
#[must_use]
pub fn problems(settings: &WebSettings, server: &ServerSettings) -> Vec<String> {
    Callers::new(settings, server.listen.ip(), None).err().unwrap_or_default()
}

/// The edge: its two halves.
///
/// # Errors
/// If a host or an origin in the settings is none, or descriptors do not go together.
pub fn edge(
    settings: &WebSettings,
    server: &ServerSettings,
    parts: Parts,
) -> Result<(Outside, Inside), WebError> {
    let callers = Callers::new(settings, server.listen.ip(), parts.is_named);
    let is_loopback = server.listen.ip().is_loopback();
    let metrics_for = match settings.metrics {
        MetricsMode::Off => None,
        MetricsMode::On => Some(MetricsFor::Everybody),
        MetricsMode::Auto if is_loopback => Some(MetricsFor::Everybody),
        MetricsMode::Auto => Some(MetricsFor::Tokens),
    };
    let shared = Arc::new(Shared {
        callers: callers.map_err(WebError::Settings)?,
        contracts: Contracts::new(&parts.descriptors)?,
        page: (settings.page != PageMode::Off).then(Page::new),
        metrics: parts.metrics.zip(metrics_for),
        request_bytes_max: server.request_bytes_max,
    });
    Ok((Outside::new(Arc::clone(&shared)), Inside::new(shared)))
}
