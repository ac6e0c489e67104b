//! Why a file is not imported or exported to its end.

use std::{io, path::PathBuf};

use crate::{
    error::Error,
    files::{ids::LINES_MAX, mapping::MappingError},
    store::StoreError,
};

/// Why a file is not imported or exported to its end. Rows that were recorded stay.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file cannot be opened, read or written.
    #[error("{path}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mapping does not fit the file.
    #[error("the mapping does not fit the file: {0}")]
    Unfit(MappingError),
    /// The file has no line with the names of its columns.
    #[error("the file has no line with the names of its columns")]
    NoHeader,
    /// The line with the names of the columns cannot be read.
    #[error("line {line}, which is to have the names of the columns: {reason}")]
    BadHeader {
        /// The line of the file, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of rejected lines would overwrite the input.
    #[error("{path}: the rejected lines would overwrite the file that is imported; name another \
             file with --reject-file", path = path.display())]
    RejectsIntoInput {
        /// The path of the reject file.
        path: PathBuf,
    },
    /// The file of rejected lines would overwrite some other file.
    #[error("{path}: is there and is no file of rejected lines; name another one with \
             --reject-file", path = path.display())]
    RejectsIntoOther {
        /// The path of the reject file.
        path: PathBuf,
    },
    /// Too many lines for ids that are derived from whole lines.
    #[error(
        "the file has more than {LINES_MAX} lines: name the columns in [id] key = [...] that tell \
         its rows apart"
    )]
    TooManyLines,
    /// What a filter names is not there.
    #[error("there is no such {what}: {name}")]
    NotFound {
        /// What it is.
        what: &'static str,
        /// How it was named.
        name: String,
    },
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is asked for cannot be had.
    #[error(transparent)]
    Refused(#[from] Error),
}
