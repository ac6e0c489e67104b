//! Records of a file as transactions, by a mapping. Pure but for what must be remembered of
//! the lines before: how many were equal, and how many had the same instant.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::{account::AccountKey, decimal::Decimal, refusal::Fault, transaction::NewTransaction},
    files::{
        columns::{Header, Layout, ReadRow, RowError, shown, texts},
        ids::{LINES_MAX, LineCounter, id_of_key, id_of_line},
        mapping::{
            AccountSource, Accounts, AmountSource, FileFormat, IdSource, Mapping, MappingError,
            Position, decimals_of,
        },
        records::Record,
        template::Template,
    },
};

/// A record as a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileRow {
    /// The line of the file that it begins on.
    pub line: u64,
    /// What it says; its id is its own, or derived.
    pub transaction: NewTransaction,
    /// Decimals that its asset is to have.
    pub asset_decimals: Option<u32>,
}

/// Turns records into transactions.
pub struct RowReader {
    mapping: Mapping<usize>,
    column_count: usize,
    lines: LineCounter,
    /// The instant of the last record, and how many of it there were in a row.
    run: Option<(DateTime<Utc>, i64)>,
    /// Lines since then whose instants are not known. Among lines of one instant they are
    /// taken to be of it, so that the numbers of later lines stay when they are repaired.
    passed_over: i64,
}

impl Layout for Mapping {
    type Reader = RowReader;

    fn file(&self) -> &FileFormat {
        &self.file
    }

    fn lines_max(&self) -> Option<usize> {
        matches!(self.id, IdSource::Line).then_some(LINES_MAX)
    }

    fn bind(&self, header: &Header) -> Result<RowReader, MappingError> {
        let place_of = |name: &str| header.place_of(name);
        let one = |template: &Template| template.bind(place_of);
        let all = |templates: &[Template]| {
            templates.iter().map(|template| template.bind(place_of)).collect::<Result<Vec<_>, _>>()
        };
        let account = |source: &AccountSource<String>| {
            let (network, address) = (one(&source.network)?, all(&source.address)?);
            Ok(AccountSource { network, address })
        };
        let mut words = Vec::new();
        for (column, translated) in &self.words {
            words.push((place_of(column)?, translated.clone()));
        }
        let mapping = Mapping {
            rules: self.rules,
            file: self.file.clone(),
            origin: self.origin.clone(),
            time: one(&self.time)?,
            time_format: self.time_format.clone(),
            amount: match &self.amount {
                AmountSource::Signed { text, is_positive_received } => AmountSource::Signed {
                    text: one(text)?,
                    is_positive_received: *is_positive_received,
                },
                AmountSource::Columns { credit, debit } => {
                    AmountSource::Columns { credit: one(credit)?, debit: one(debit)? }
                }
                AmountSource::Words { text, direction, credit, debit } => AmountSource::Words {
                    text: one(text)?,
                    direction: one(direction)?,
                    credit: credit.clone(),
                    debit: debit.clone(),
                },
            },
            amount_format: self.amount_format,
            asset_code: one(&self.asset_code)?,
            asset_decimals: self.asset_decimals.as_ref().map(one).transpose()?,
            accounts: match &self.accounts {
                Accounts::Own { own, partner } => {
                    Accounts::Own { own: account(own)?, partner: account(partner)? }
                }
                Accounts::Sides { sender, receiver } => {
                    Accounts::Sides { sender: account(sender)?, receiver: account(receiver)? }
                }
            },
            reference: all(&self.reference)?,
            position: match &self.position {
                Position::OldestFirst => Position::OldestFirst,
                Position::NewestFirst => Position::NewestFirst,
                Position::Text(template) => Position::Text(one(template)?),
            },
            id: match &self.id {
                IdSource::Uuid(template) => IdSource::Uuid(one(template)?),
                IdSource::Key(templates) => IdSource::Key(all(templates)?),
                IdSource::Line => IdSource::Line,
            },
            words,
        };
        Ok(RowReader {
            mapping,
            column_count: header.column_count(),
            lines: LineCounter::default(),
            run: None,
            passed_over: 0,
        })
    }
}

impl ReadRow for RowReader {
    type Row = FileRow;

    fn read(&mut self, record: &Record) -> Result<FileRow, RowError> {
        // Counted whatever else is wrong: the numbers of later lines must not depend on it.
        let before = match &self.mapping.id {
            IdSource::Line => Some(self.lines.count(&record.raw).ok_or(RowError::TooManyLines)?),
            IdSource::Uuid(_) | IdSource::Key(_) => None,
        };
        let known = self.known(record);
        let count = self.count(known.as_ref().ok().map(|(_, occurred_at)| *occurred_at));
        let (raws, occurred_at) = known?;
        let mapping = &self.mapping;
        let values = Values { mapping, raws: &raws };
        let (amount, is_received) = values.amount()?;
        let (sender, receiver) = match &mapping.accounts {
            Accounts::Sides { sender, receiver } => {
                if !is_received {
                    return Err(RowError::Rejected("the amount is negative".into()));
                }
                (values.account("sender", sender)?, values.account("receiver", receiver)?)
            }
            Accounts::Own { own, partner } => {
                let (own, partner) =
                    (values.account("own", own)?, values.account("partner", partner)?);
                if is_received { (partner, own) } else { (own, partner) }
            }
        };
        let (asset_code, asset_decimals) = values.asset()?;
        let transaction = NewTransaction {
            transaction_id: Some(values.id(&record.raw, before)?),
            occurred_at,
            position: match &mapping.position {
                Position::OldestFirst => count,
                Position::NewestFirst => -count,
                Position::Text(template) => values.position(template)?,
            },
            asset_code: Arc::from(asset_code),
            sender,
            receiver,
            amount,
            reference: values.first(&mapping.reference),
        };
        if let Some(Fault { field, message, .. }) = transaction.fault(mapping.rules) {
            return Err(RowError::Rejected(format!("the {field} {message}")));
        }
        Ok(FileRow { line: record.line, transaction, asset_decimals })
    }

    fn pass_over(&mut self) {
        self.passed_over += 1;
    }
}

impl RowReader {
    /// The values of a record, and its instant.
    fn known<'a>(&self, record: &'a Record) -> Result<(Vec<Cow<'a, str>>, DateTime<Utc>), String> {
        let raws = texts(&self.mapping.file, record, self.column_count)?;
        let occurred_at = Values { mapping: &self.mapping, raws: &raws }.instant()?;
        Ok((raws, occurred_at))
    }

    /// How many lines of this instant came before in a row.
    fn count(&mut self, occurred_at: Option<DateTime<Utc>>) -> i64 {
        let Some(occurred_at) = occurred_at else {
            self.pass_over();
            return 0;
        };
        let passed_over = std::mem::take(&mut self.passed_over);
        let count = match self.run {
            Some((instant, count)) if instant == occurred_at => count + passed_over + 1,
            _ => 0,
        };
        self.run = Some((occurred_at, count));
        count
    }
}

/// The values of one record.
struct Values<'a> {
    mapping: &'a Mapping<usize>,
    /// As the file has them.
    raws: &'a [Cow<'a, str>],
}

impl Values<'_> {
    /// The value of a column, in the words of the mapping; `None` if it is empty.
    fn get(&self, place: usize) -> Option<&str> {
        let raw: &str = &self.raws[place];
        let words = self.mapping.words.iter().find(|(column, _)| *column == place);
        let value = match words.and_then(|(_, words): &(_, BTreeMap<_, _>)| words.get(raw)) {
            Some(word) => word.as_str(),
            None => raw,
        };
        let is_empty = value.is_empty() || self.mapping.file.empty.iter().any(|one| one == value);
        (!is_empty).then_some(value)
    }

    fn render(&self, template: &Template<usize>) -> Option<String> {
        template.render(|place| self.get(place))
    }

    fn first(&self, templates: &[Template<usize>]) -> Option<String> {
        templates.iter().find_map(|template| self.render(template))
    }

    fn wanted(&self, what: &str, template: &Template<usize>) -> Result<String, String> {
        self.render(template).ok_or_else(|| format!("{what} is missing"))
    }

    fn instant(&self) -> Result<DateTime<Utc>, String> {
        let text = self.wanted("the time", &self.mapping.time)?;
        let read = self.mapping.time_format.read(&text);
        read.map_err(|reason| format!("the time {} {reason}", shown(&text)))
    }

    /// The amount, and whether the own account received it.
    fn amount(&self) -> Result<(Decimal, bool), String> {
        let zero = Decimal::zero();
        let (signed, is_received) = match &self.mapping.amount {
            AmountSource::Signed { text, is_positive_received } => {
                let number = self.number("the amount", &self.wanted("the amount", text)?)?;
                if number < zero {
                    (zero.minus(&number), !is_positive_received)
                } else {
                    (number, *is_positive_received)
                }
            }
            AmountSource::Columns { credit, debit } => {
                let side = |what, template: &Template<usize>| {
                    let text = self.render(template);
                    let number = text.map(|text| self.number(what, &text)).transpose()?;
                    Ok::<_, String>(number.filter(|number| *number != zero))
                };
                match (side("the credit", credit)?, side("the debit", debit)?) {
                    (Some(amount), None) => (amount, true),
                    (None, Some(amount)) => (amount, false),
                    (Some(_), Some(_)) => return Err("both a credit and a debit".into()),
                    (None, None) => return Err("neither a credit nor a debit".into()),
                }
            }
            AmountSource::Words { text, direction, credit, debit } => {
                // A direction may well be an empty word.
                let word = self.render(direction).unwrap_or_default();
                let is_received = credit.contains(&word);
                if !is_received && !debit.contains(&word) {
                    return Err(format!("the direction {} is neither word", shown(&word)));
                }
                (self.number("the amount", &self.wanted("the amount", text)?)?, is_received)
            }
        };
        if signed < zero {
            return Err("the amount is negative, and the direction told otherwise".into());
        }
        Ok((signed, is_received))
    }

    fn number(&self, what: &str, text: &str) -> Result<Decimal, String> {
        let read = self.mapping.amount_format.read(text);
        read.map_err(|reason| format!("{what} {} {reason}", shown(text)))
    }

    fn asset(&self) -> Result<(String, Option<u32>), String> {
        let code = self.wanted("the asset", &self.mapping.asset_code)?;
        let Some(template) = &self.mapping.asset_decimals else { return Ok((code, None)) };
        let text = self.wanted("the asset's decimals", template)?;
        let decimals = decimals_of(&text)
            .ok_or_else(|| format!("the asset's decimals {} must be 0 to 77", shown(&text)))?;
        Ok((code, Some(decimals)))
    }

    fn account(&self, what: &str, source: &AccountSource<usize>) -> Result<AccountKey, String> {
        let network = self.wanted(&format!("the network of {what}"), &source.network)?;
        let address = self
            .first(&source.address)
            .ok_or_else(|| format!("the address of {what} is missing"))?;
        let key = AccountKey::canonical(&network, &address);
        key.map_err(|error| format!("the {what}'s {error}"))
    }

    fn position(&self, template: &Template<usize>) -> Result<i64, String> {
        let text = self.wanted("the position", template)?;
        text.parse().map_err(|_| format!("the position {} must be a whole number", shown(&text)))
    }

    fn id(&self, line: &[u8], before: Option<u32>) -> Result<Uuid, String> {
        let origin = &self.mapping.origin;
        match &self.mapping.id {
            IdSource::Line => Ok(id_of_line(origin, line, before.unwrap_or_default())),
            IdSource::Uuid(template) => {
                let text = self.wanted("the id", template)?;
                Uuid::try_parse(&text).map_err(|_| format!("the id {} is no UUID", shown(&text)))
            }
            // As the file has them: words may change, and ids must not.
            IdSource::Key(templates) => {
                let raw = |place: usize| Some(self.raws[place].as_ref());
                let key: Vec<String> =
                    templates.iter().filter_map(|template| template.render(raw)).collect();
                if key.iter().all(String::is_empty) {
                    return Err("the key columns are empty".into());
                }
                Ok(id_of_key(origin, &key))
            }
        }
    }
}

#[cfg(test)]
mod tests;
