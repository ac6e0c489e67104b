//! The file of lines that were not recorded: each with its number, the reason, and itself.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::files::{csv::append_record, error::FileError, source::Rejected};

const HEADER: [&str; 3] = ["line", "reason", "original"];

/// The file of lines that were not recorded. Made when the first one comes, in the place of
/// an earlier one.
pub struct RejectFile {
    path: PathBuf,
    output: Option<BufWriter<File>>,
    count: u64,
}

impl RejectFile {
    /// A file that is to have this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, output: None, count: 0 }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds lines and has them written.
    ///
    /// # Errors
    /// If the file cannot be made or written.
    pub fn add(&mut self, rejected: &[Rejected]) -> Result<(), FileError> {
        if rejected.is_empty() {
            return Ok(());
        }
        self.write(rejected).map_err(|source| FileError::Io { path: self.path.clone(), source })
    }

    fn write(&mut self, rejected: &[Rejected]) -> std::io::Result<()> {
        let mut text = Vec::new();
        let output = match &mut self.output {
            Some(output) => output,
            none => {
                append_record(&mut text, HEADER.map(str::as_bytes));
                none.insert(BufWriter::new(File::create(&self.path)?))
            }
        };
        for Rejected { line, reason, raw } in rejected {
            append_record(&mut text, [line.to_string().as_bytes(), reason.as_bytes(), raw]);
            self.count += 1;
        }
        output.write_all(&text)?;
        output.flush()
    }
}
