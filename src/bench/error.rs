//! Why nothing could be measured.

/// Why nothing could be measured, in words for the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The address or what belongs to it cannot be used.
    #[error(transparent)]
    Endpoint(#[from] crate::endpoint::EndpointError),
    /// The token cannot be read.
    #[error("--token-file {}", file.display())]
    File {
        /// From which file.
        file: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What is in the file is no token.
    #[error("--token-file must hold one token and nothing else")]
    Token,
    /// No connection.
    #[error("nobody answers at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
    /// The server could not say what there is to ask for.
    #[error("the server did not say {what}")]
    Asked {
        /// What was asked.
        what: &'static str,
        /// What it answered; on the heap, because it is large.
        source: Box<tonic::Status>,
    },
    /// Nobody to ask for.
    #[error("there are no users to ask for")]
    NoUsers,
    /// Nothing to ask about.
    #[error("the first users have no transactions: say with --from and --to where data lie")]
    NoRows,
    /// The days are in the wrong order.
    #[error("--from must lie before --to")]
    Days,
    /// Calls did not come back.
    #[error("calls did not come back within {seconds} s of the end")]
    Stuck {
        /// How long they were waited for.
        seconds: u64,
    },
    /// A task of the load ended as none should.
    #[error("a caller failed")]
    Caller(#[source] tokio::task::JoinError),
}
