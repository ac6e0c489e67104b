//! Mappings: which column of a file is what, and how it is written. Read from TOML; what is
//! wrong is told with its key and line. docs/import.md explains every key.

mod check;
mod prices;
mod raw;

use std::{collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;

use crate::{
    domain::{account::Network, transaction::RowRules},
    files::{
        amounts::AmountFormat,
        encoding::Encoding,
        instants::InstantFormat,
        mapping::{check::Checker, raw::RawMapping},
        records::Dialect,
        template::Template,
    },
};

pub use crate::files::mapping::prices::PriceMapping;

/// The mapping of what `daybook export` writes.
pub const DAYBOOK: &str = include_str!("mapping/daybook.toml");

/// Which column is what. `Column` is a name, or a place in the row once the header is known.
#[derive(Clone, Debug)]
pub struct Mapping<Column = String> {
    /// Which rules rows are held to.
    pub rules: RowRules,
    /// What the file looks like.
    pub file: FileFormat,
    /// What ids are derived from, apart from the row: the mapping's network and name.
    pub origin: Origin,
    /// When.
    pub time: Template<Column>,
    /// How that is written.
    pub time_format: InstantFormat,
    /// How much, and in which direction.
    pub amount: AmountSource<Column>,
    /// How that is written.
    pub amount_format: AmountFormat,
    /// Code of what is moved.
    pub asset_code: Template<Column>,
    /// Decimals of an asset that is not there yet.
    pub asset_decimals: Option<Template<Column>>,
    /// Between whom.
    pub accounts: Accounts<Column>,
    /// What groups rows: the first that applies.
    pub reference: Vec<Template<Column>>,
    /// Order within an instant.
    pub position: Position<Column>,
    /// Where the id comes from.
    pub id: IdSource<Column>,
    /// What stands for values of a column.
    pub words: Vec<(Column, BTreeMap<String, String>)>,
}

/// What a file looks like.
#[derive(Clone, Debug)]
pub struct FileFormat {
    /// How fields are told apart.
    pub dialect: Dialect,
    /// How bytes stand for characters.
    pub encoding: Encoding,
    /// Whether the first line names the columns; else they are numbered from 1.
    pub has_header: bool,
    /// Lines before that which are none of the table.
    pub skip_lines: u32,
    /// Whether spaces around values are left out.
    pub is_trimmed: bool,
    /// Values that mean that there is none, beside the empty one.
    pub empty: Vec<String>,
}

/// What ids are derived from, apart from the row.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The network that accounts belong to unless they name another one.
    pub network: Option<Network>,
    /// The mapping's name.
    pub name: String,
}

/// How much moved, in which direction.
#[derive(Clone, Debug)]
pub enum AmountSource<Column> {
    /// One number. Its sign is the direction where there is an own account.
    Signed {
        /// The number.
        text: Template<Column>,
        /// Whether the own account received what is positive.
        is_positive_received: bool,
    },
    /// One column for what was received and one for what was sent.
    Columns {
        /// What the own account received.
        credit: Template<Column>,
        /// What it sent.
        debit: Template<Column>,
    },
    /// A number and a word for its direction.
    Words {
        /// The number.
        text: Template<Column>,
        /// The word.
        direction: Template<Column>,
        /// Words for what the own account received.
        credit: Vec<String>,
        /// Words for what it sent.
        debit: Vec<String>,
    },
}

/// Between whom.
#[derive(Clone, Debug)]
pub enum Accounts<Column> {
    /// The account that the file is about, and the other one.
    Own {
        /// The account that the file is about.
        own: AccountSource<Column>,
        /// The other one.
        partner: AccountSource<Column>,
    },
    /// Each side by itself.
    Sides {
        /// Who sent.
        sender: AccountSource<Column>,
        /// Who received.
        receiver: AccountSource<Column>,
    },
}

/// An account.
#[derive(Clone, Debug)]
pub struct AccountSource<Column> {
    /// Its network.
    pub network: Template<Column>,
    /// Its address: the first that applies.
    pub address: Vec<Template<Column>>,
}

/// Order among rows of one instant.
#[derive(Clone, Debug)]
pub enum Position<Column> {
    /// As the lines of the file, which has the oldest first.
    OldestFirst,
    /// Against the lines of the file, which has the newest first.
    NewestFirst,
    /// What a row says, or a number for all.
    Text(Template<Column>),
}

/// Where a transaction id comes from.
#[derive(Clone, Debug)]
pub enum IdSource<Column> {
    /// The row has it.
    Uuid(Template<Column>),
    /// Derived from these values, which no other row has.
    Key(Vec<Template<Column>>),
    /// Derived from the line and how many of its like came before.
    Line,
}

/// What is wrong with a mapping, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MappingError {
    /// The line of the mapping's text, from 1, if it is in one.
    pub line: Option<usize>,
    /// The key.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for MappingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(formatter, "{} ", self.key)?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for MappingError {}

/// The text of a mapping that is given as assignments (`time.format=YYMMDD`), one a line, so
/// that the number of a line is the number of an assignment. Values without quotes, brackets
/// or a word for true or false are texts.
#[must_use]
pub fn text_of(assignments: &[String]) -> String {
    let line = |assignment: &String| {
        let Some((key, value)) = assignment.split_once('=') else { return assignment.clone() };
        let value = value.trim();
        let is_toml = value.starts_with(['"', '\'', '[']) || matches!(value, "true" | "false");
        // A text in TOML is written as in JSON.
        let quoted = || serde_json::Value::from(value).to_string();
        format!("{key} = {}", if is_toml { value.to_owned() } else { quoted() })
    };
    assignments.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let raw: RawMapping = read_toml(text)?;
        Checker::new(text).mapping(raw)
    }

    /// The mapping of what `daybook export` writes. Its rows were recorded once, and are
    /// held to no other rules than the table's.
    ///
    /// # Errors
    /// Never: it is part of the program.
    pub fn of_exports() -> Result<Self, MappingError> {
        Ok(Self { rules: RowRules::Recorded, ..Self::parse(DAYBOOK)? })
    }
}

/// The keys and values of a mapping.
fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, MappingError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| check::line_at(text, &span));
        let key = line.and_then(|line| text.lines().nth(line - 1)).map_or("", str::trim);
        let key = if key.is_empty() { String::new() } else { format!("{key:?}:") };
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        MappingError { line, key, message }
    })
}

/// Decimals of an asset, from their text.
#[must_use]
pub fn decimals_of(text: &str) -> Option<u32> {
    text.parse().ok().filter(|decimals| *decimals <= 77)
}
