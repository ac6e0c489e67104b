//! A file's rows, a chunk at a time: read, unpacked and parsed on a thread of its own, never
//! more than a few chunks ahead of whoever takes them.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;

use crate::files::{
    columns::{Header, Layout, ReadRow, RowError, RowOf},
    error::FileError,
    records::{BrokenLine, Record, RecordReader},
};

/// Name of standard input in the place of a file's.
pub const STDIN: &str = "-";

/// First bytes of a gzip file (RFC 1952).
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];

/// Bytes read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Rows of a file.
#[derive(Debug)]
pub struct Chunk<Row> {
    /// Rows to record, each with its line as it is.
    pub rows: Vec<(Row, Vec<u8>)>,
    /// Lines that are no rows.
    pub rejected: Vec<Rejected>,
}

impl<Row> Default for Chunk<Row> {
    fn default() -> Self {
        Self { rows: Vec::new(), rejected: Vec::new() }
    }
}

/// A line that is not recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejected {
    /// Its number, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// Its bytes.
    pub raw: Vec<u8>,
}

/// How large chunks are.
#[derive(Clone, Copy, Debug)]
pub struct ChunkSize {
    /// Most lines in one.
    pub lines: usize,
    /// Bytes of lines from which on one is full.
    pub bytes: usize,
}

/// A file that is being read.
pub struct Source<Row> {
    chunks: mpsc::Receiver<Result<Chunk<Row>, FileError>>,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
}

impl<Row: Send + 'static> Source<Row> {
    /// Opens a file, gzip or plain, or standard input for `-`.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open<L>(path: &Path, mapping: L, size: ChunkSize) -> Result<Self, FileError>
    where
        L: Layout<Reader: ReadRow<Row = Row>>,
    {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let io_error = |source| FileError::Io { path: path.to_owned(), source };
        let (input, bytes_total): (Box<dyn Read + Send>, _) = if path == Path::new(STDIN) {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(io_error)?;
            let metadata = file.metadata().map_err(io_error)?;
            if metadata.is_dir() {
                return Err(io_error(io::ErrorKind::IsADirectory.into()));
            }
            // A pipe with a name tells no length either.
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        let (sender, chunks) = mpsc::channel(1);
        let counted = Counted { inner: input, count: Arc::clone(&bytes_read) };
        let reader = Reader { path: path.to_owned(), mapping, size, sender };
        let is_file = bytes_total.is_some();
        // Not one of the runtime's threads, which waits for them when it ends: standard input
        // may never end.
        std::thread::Builder::new()
            .name("file reader".to_owned())
            .spawn(move || reader.run(counted, is_file))
            .map_err(io_error)?;
        Ok(Self { chunks, bytes_read, bytes_total })
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read, or the mapping does not fit it.
    pub async fn next(&mut self) -> Result<Option<Chunk<Row>>, FileError> {
        self.chunks.recv().await.transpose()
    }

    /// Bytes of the file, unless it tells no length.
    #[must_use]
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Bytes of the file that were read until now.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// What the thread works with.
struct Reader<L: Layout> {
    path: PathBuf,
    mapping: L,
    size: ChunkSize,
    sender: mpsc::Sender<Result<Chunk<RowOf<L>>, FileError>>,
}

impl<L: Layout> Reader<L> {
    fn run(&self, input: impl Read, is_file: bool) {
        let outcome = self.check_size(is_file).and_then(|()| self.send_all(input));
        if let Err(error) = outcome {
            // Nobody waits for it any more where this fails.
            let _ = self.sender.blocking_send(Err(error));
        }
    }

    /// Finds out that a file has too many lines before any is recorded.
    fn check_size(&self, is_file: bool) -> Result<(), FileError> {
        let Some(lines_max) = self.mapping.lines_max().filter(|_| is_file) else {
            return Ok(());
        };
        let count = || {
            let mut lines = 0;
            let mut input = unpacked(File::open(&self.path)?)?;
            while lines <= lines_max {
                let bytes = input.fill_buf()?;
                if bytes.is_empty() {
                    break;
                }
                lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
                let length = bytes.len();
                input.consume(length);
            }
            Ok(lines)
        };
        let lines = count().map_err(|source| self.io_error(source))?;
        if lines > lines_max { Err(FileError::TooManyLines) } else { Ok(()) }
    }

    fn send_all(&self, input: impl Read) -> Result<(), FileError> {
        let format = self.mapping.file();
        let input = unpacked(input).map_err(|source| self.io_error(source))?;
        let mut records = RecordReader::new(input, format.dialect);
        for _ in 0..format.skip_lines {
            records.skip_line().map_err(|source| self.io_error(source))?;
        }
        let mut reader = None;
        if format.has_header {
            let first = records.read().map_err(|source| self.io_error(source))?;
            let header = Header::Names(self.column_names(first.ok_or(FileError::NoHeader)?)?);
            reader = Some(self.mapping.bind(&header).map_err(FileError::Unfit)?);
        }
        let (mut chunk, mut bytes) = (Chunk::default(), 0);
        while let Some(found) = records.read().map_err(|source| self.io_error(source))? {
            bytes += match &found {
                Ok(record) => record.raw.len(),
                Err(broken) => broken.raw.len(),
            };
            self.add(&mut chunk, &mut reader, found)?;
            let is_full = chunk.rows.len() + chunk.rejected.len() >= self.size.lines;
            if is_full || bytes >= self.size.bytes {
                if self.sender.blocking_send(Ok(std::mem::take(&mut chunk))).is_err() {
                    return Ok(());
                }
                bytes = 0;
            }
        }
        if bytes > 0 {
            let _ = self.sender.blocking_send(Ok(chunk));
        }
        Ok(())
    }

    fn column_names(&self, first: Result<Record, BrokenLine>) -> Result<Vec<String>, FileError> {
        let record = first.map_err(|BrokenLine { line, reason, .. }| FileError::BadHeader {
            line,
            reason: reason.to_owned(),
        })?;
        let format = self.mapping.file();
        let name_of = |field| {
            let text = format.encoding.decode(field).ok_or_else(|| FileError::BadHeader {
                line: record.line,
                reason: format!(
                    "holds bytes that are no characters in {}; which encoding is it? See \
                     file.encoding of the mapping",
                    format.encoding.name()
                ),
            })?;
            Ok(if format.is_trimmed { text.trim().to_owned() } else { text.into_owned() })
        };
        record.fields.iter().map(|field| name_of(field)).collect()
    }

    fn add(
        &self,
        chunk: &mut Chunk<RowOf<L>>,
        reader: &mut Option<L::Reader>,
        found: Result<Record, BrokenLine>,
    ) -> Result<(), FileError> {
        let record = match found {
            Ok(record) => record,
            Err(BrokenLine { line, raw, reason }) => {
                chunk.rejected.push(Rejected { line, reason: reason.to_owned(), raw });
                if let Some(reader) = reader {
                    reader.pass_over();
                }
                return Ok(());
            }
        };
        let reader = match reader {
            Some(reader) => reader,
            // Without a header the first row says how many columns there are.
            none => none.insert(
                self.mapping.bind(&Header::Count(record.fields.len())).map_err(FileError::Unfit)?,
            ),
        };
        match reader.read(&record) {
            Ok(row) => chunk.rows.push((row, record.raw)),
            Err(RowError::Rejected(reason)) => {
                chunk.rejected.push(Rejected { line: record.line, reason, raw: record.raw });
            }
            Err(RowError::TooManyLines) => return Err(FileError::TooManyLines),
        }
        Ok(())
    }

    fn io_error(&self, source: io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), source }
    }
}

/// What is in a file, packed or not.
fn unpacked<'a>(input: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    if input.fill_buf()?.starts_with(GZIP_MAGIC) {
        let unpacking = MultiGzDecoder::new(input);
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacking)));
    }
    Ok(Box::new(input))
}

/// Counts the bytes that are read.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
