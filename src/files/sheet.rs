//! A file of records as it is written: one after the other, on a thread of its own.
//!
//! The thread may wait as long as it likes for whoever reads: an export that is given up leaves it
//! behind.

use std::{
    io::{self, Write},
    mem, thread,
};

use tokio::sync::{mpsc, oneshot};

use crate::files::{csv::append_record, error::FileError};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Records on their way into an output.
pub(super) struct Sheet<W> {
    writer: Writer<W>,
    text: Vec<u8>,
    count: u64,
}

impl<W: Write + Send + 'static> Sheet<W> {
    /// A file that begins with the names of its columns.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start<const N: usize>(output: W, columns: [&str; N]) -> Result<Self, FileError> {
        let mut text = Vec::new();
        append_record(&mut text, columns.map(str::as_bytes));
        Ok(Self { writer: Writer::start(output)?, text, count: 0 })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub(super) async fn push<const N: usize>(
        &mut self,
        fields: [&str; N],
    ) -> Result<(), FileError> {
        append_record(&mut self.text, fields.map(str::as_bytes));
        self.count += 1;
        if self.text.len() >= BUFFER_BYTES {
            self.writer.write(mem::take(&mut self.text)).await?;
        }
        Ok(())
    }

    /// Records that were added.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Writes what is left; returns how many records there are, and the output again.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub(super) async fn finish(mut self) -> Result<(u64, W), FileError> {
        self.writer.write(self.text).await?;
        Ok((self.count, self.writer.finish().await?))
    }
}

/// An output, and the thread that writes to it.
struct Writer<W> {
    texts: mpsc::Sender<Vec<u8>>,
    ended: oneshot::Receiver<io::Result<W>>,
}

impl<W: Write + Send + 'static> Writer<W> {
    fn start(output: W) -> Result<Self, FileError> {
        let (texts, coming) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        // Not one of the runtime's threads, which waits for them when it ends.
        thread::Builder::new()
            .name("file writer".to_owned())
            .spawn(move || {
                // Nobody waits for it any more where this fails.
                let _ = end.send(write_all(output, coming));
            })
            .map_err(io_error)?;
        Ok(Self { texts, ended })
    }

    async fn write(&mut self, text: Vec<u8>) -> Result<(), FileError> {
        if self.texts.send(text).await.is_ok() {
            return Ok(());
        }
        match (&mut self.ended).await {
            Ok(Err(source)) => Err(io_error(source)),
            Ok(Ok(_)) | Err(_) => Err(io_error(io::ErrorKind::BrokenPipe.into())),
        }
    }

    async fn finish(self) -> Result<W, FileError> {
        drop(self.texts);
        match self.ended.await {
            Ok(output) => output.map_err(io_error),
            Err(_) => Err(io_error(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

fn write_all<W: Write>(mut output: W, mut coming: mpsc::Receiver<Vec<u8>>) -> io::Result<W> {
    while let Some(text) = coming.blocking_recv() {
        output.write_all(&text)?;
    }
    output.flush()?;
    Ok(output)
}

fn io_error(source: io::Error) -> FileError {
    FileError::Io { path: "the output".into(), source }
}
