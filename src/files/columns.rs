//! How the columns of a file are called, and how rows are read out of them: what a mapping is to
//! a file ([`Layout`]), and to its records ([`ReadRow`]).

use std::borrow::Cow;

use crate::files::{
    mapping::{FileFormat, MappingError},
    records::Record,
};

/// Longest part of a value that a reason repeats, in characters.
const SHOWN_MAX: usize = 60;

/// A mapping: what a file looks like, and which of its columns is what.
pub trait Layout: Send + 'static {
    /// What rows are read with once the columns are known.
    type Reader: ReadRow;

    /// What the file looks like.
    fn file(&self) -> &FileFormat;

    /// Most lines that the file may have, if there is a limit.
    fn lines_max(&self) -> Option<usize>;

    /// What reads the rows of a file with this header, or with so many columns without one.
    ///
    /// # Errors
    /// If the file does not have a column that the mapping names, or has it twice.
    fn bind(&self, header: &Header) -> Result<Self::Reader, MappingError>;
}

/// What the records of a file become.
pub type RowOf<L> = <<L as Layout>::Reader as ReadRow>::Row;

/// Turns records into rows, in the order of the file.
pub trait ReadRow {
    /// What a record becomes.
    type Row: Send + 'static;

    /// The row that a record is.
    ///
    /// # Errors
    /// Says why it is none.
    fn read(&mut self, record: &Record) -> Result<Self::Row, RowError>;

    /// Takes notice of a line that is no record.
    fn pass_over(&mut self);
}

/// Why a record is no row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RowError {
    /// For this reason.
    Rejected(String),
    /// The mapping names no key, and the file has too many lines for that.
    TooManyLines,
}

impl From<String> for RowError {
    fn from(reason: String) -> Self {
        Self::Rejected(reason)
    }
}

/// How the columns of a file are called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Header {
    /// By these names.
    Names(Vec<String>),
    /// By their numbers, from 1 to this one.
    Count(usize),
}

impl Header {
    /// How many columns there are.
    #[must_use]
    pub fn column_count(&self) -> usize {
        match self {
            Self::Names(names) => names.len(),
            Self::Count(count) => *count,
        }
    }

    /// Where a column is.
    ///
    /// # Errors
    /// If there is none of this name, or more than one.
    pub fn place_of(&self, name: &str) -> Result<usize, MappingError> {
        let error = |message| MappingError { line: None, key: format!("{{{name}}}"), message };
        match self {
            Self::Names(names) => {
                let mut places = names.iter().enumerate().filter(|(_, other)| *other == name);
                match (places.next(), places.next()) {
                    (Some((place, _)), None) => Ok(place),
                    (Some(_), Some(_)) => Err(error("is a column that the file has twice".into())),
                    (None, _) => Err(error(format!(
                        "is no column of the file, whose columns are {}",
                        names.join(", ")
                    ))),
                }
            }
            Self::Count(count) => name
                .parse::<usize>()
                .ok()
                .filter(|number| (1..=*count).contains(number))
                .map(|number| number - 1)
                .ok_or_else(|| {
                    error(format!("must be a number from 1 to {count}: the file has no header"))
                }),
        }
    }
}

/// The fields of a record as characters, of which there are to be so many.
///
/// # Errors
/// Says why they are none.
pub fn texts<'a>(
    format: &FileFormat,
    record: &'a Record,
    column_count: usize,
) -> Result<Vec<Cow<'a, str>>, String> {
    if record.fields.len() != column_count {
        let found = record.fields.len();
        return Err(format!("has {found} fields where {column_count} are wanted"));
    }
    let text = |(place, field): (usize, &'a Vec<u8>)| {
        let text = format.encoding.decode(field);
        let text =
            text.ok_or_else(|| format!("field {} holds bytes that are no characters", place + 1))?;
        Ok(match text {
            Cow::Borrowed(text) if format.is_trimmed => Cow::Borrowed(text.trim()),
            Cow::Owned(text) if format.is_trimmed => Cow::Owned(text.trim().to_owned()),
            Cow::Borrowed(_) | Cow::Owned(_) => text,
        })
    };
    record.fields.iter().enumerate().map(text).collect()
}

/// A value for a reason, cut where it is long.
#[must_use]
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
