//! What the values of a mapping mean, and whether they go together.

use std::ops::Range;

use chrono_tz::Tz;

use crate::{
    domain::{account::Network, buckets::time_zone, transaction::RowRules},
    files::{
        amounts::AmountFormat,
        encoding::Encoding,
        instants::InstantFormat,
        mapping::{
            AccountSource, Accounts, AmountSource, FileFormat, IdSource, Mapping, MappingError,
            Origin, Position, decimals_of,
            raw::{
                Placed, RawAccount, RawAmount, RawAsset, RawFile, RawId, RawMapping, RawTime, Text,
                Texts,
            },
        },
        records::Dialect,
        template::Template,
    },
};

/// How instants are written where a mapping need not say.
const RFC_3339: &str = "rfc3339";

/// Turns values into what they mean.
pub(super) struct Checker<'a> {
    text: &'a str,
}

type Checked<T> = Result<T, MappingError>;

impl<'a> Checker<'a> {
    /// Checks values that stand in this text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The mapping that the values are.
    pub(super) fn mapping(&self, raw: RawMapping) -> Checked<Mapping> {
        if raw.name.get_ref().0.is_empty() {
            return Err(self.wrong("name", &raw.name, "is empty"));
        }
        let network = match &raw.network {
            None => None,
            Some(placed) => Some(Network::parse(&placed.get_ref().0).ok_or_else(|| {
                self.wrong("network", placed, "must be 1 to 64 lower-case letters, digits, hyphens")
            })?),
        };
        let origin = Origin { network, name: raw.name.into_inner().0 };
        let accounts = self.accounts(
            &origin,
            [("own", raw.own), ("partner", raw.partner)],
            [("sender", raw.sender), ("receiver", raw.receiver)],
        )?;
        let amount = self.amount(&raw.amount)?;
        let has_direction = !matches!(amount, AmountSource::Signed { .. });
        if has_direction && matches!(accounts, Accounts::Sides { .. }) {
            let message = "tells directions, so [own] and [partner] are wanted, not [sender]";
            return Err(missing("amount", message));
        }
        let (asset_code, asset_decimals) = self.asset(&raw.asset)?;
        let words = raw.words.into_iter().map(|(column, words)| {
            (column, words.into_iter().map(|(from, Text(to))| (from, to)).collect())
        });
        let (time, time_format) = self.time(&raw.time)?;
        Ok(Mapping {
            rules: RowRules::New,
            file: self.file(raw.file)?,
            origin,
            time,
            time_format,
            amount,
            amount_format: self.number_format(
                ["amount.decimal", "amount.thousands"],
                [raw.amount.decimal.as_ref(), raw.amount.thousands.as_ref()],
            )?,
            asset_code,
            asset_decimals,
            accounts,
            reference: self.templates("reference", raw.reference.as_ref())?,
            position: self.position(raw.position.as_ref())?,
            id: self.id(&raw.id)?,
            words: words.collect(),
        })
    }

    /// What the file looks like.
    pub(super) fn file(&self, raw: RawFile) -> Checked<FileFormat> {
        let one_byte = |key, placed: &Placed| match placed.get_ref().0.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
            _ => Err(self.wrong(key, placed, "must be one ASCII character")),
        };
        let separator = match &raw.separator {
            None => b',',
            Some(placed) if placed.get_ref().0 == "tab" => b'\t',
            Some(placed) => one_byte("file.separator", placed)?,
        };
        let quote = match &raw.quote {
            None => Some(b'"'),
            Some(placed) if placed.get_ref().0 == "none" => None,
            Some(placed) => Some(one_byte("file.quote", placed)?),
        };
        if let Some(placed) = raw.quote.as_ref().filter(|_| quote == Some(separator)) {
            return Err(self.wrong("file.quote", placed, "is the separator too"));
        }
        let encoding = match &raw.encoding {
            None => Encoding::default(),
            Some(placed) => Encoding::parse(&placed.get_ref().0).ok_or_else(|| {
                self.wrong("file.encoding", placed, "must be utf-8, latin1 or windows-1252")
            })?,
        };
        Ok(FileFormat {
            dialect: Dialect { separator, quote },
            encoding,
            has_header: raw.header.unwrap_or(true),
            skip_lines: raw.skip_lines.unwrap_or(0),
            is_trimmed: raw.trim.unwrap_or(true),
            empty: raw.empty.map_or_else(Vec::new, |Texts(texts)| texts),
        })
    }

    fn time(&self, raw: &RawTime) -> Checked<(Template, InstantFormat)> {
        let format = self.time_format(Some(&raw.format), raw.zone.as_ref())?;
        Ok((self.template("time.text", &raw.text)?, format))
    }

    /// How instants are written: as RFC 3339 has them where that is not said.
    pub(super) fn time_format(
        &self,
        format: Option<&Placed>,
        zone: Option<&Placed>,
    ) -> Checked<InstantFormat> {
        let zone = match zone {
            None => Tz::UTC,
            Some(placed) => time_zone(&placed.get_ref().0).ok_or_else(|| {
                self.wrong("time.zone", placed, "must be an IANA name such as Europe/Prague")
            })?,
        };
        let text = format.map_or(RFC_3339, |placed| &placed.get_ref().0);
        InstantFormat::parse(text, zone).map_err(|message| {
            self.wrong_at("time.format", format.map(Placed::span).as_ref(), &message)
        })
    }

    fn amount(&self, raw: &RawAmount) -> Checked<AmountSource<String>> {
        let template = |key, placed: &Placed| self.template(key, placed);
        let words = |texts: &Option<Texts>| texts.clone().map(|Texts(words)| words);
        let credit_words = words(&raw.credit_words);
        let debit_words = words(&raw.debit_words);
        let has_words = credit_words.is_some() || debit_words.is_some();
        if let Some(placed) = &raw.positive
            && (raw.direction.is_some() || raw.text.is_none())
        {
            return Err(self.wrong("amount.positive", placed, "goes with a signed amount only"));
        }
        match (&raw.text, &raw.credit, &raw.debit, &raw.direction) {
            (Some(text), None, None, None) if !has_words => {
                let is_positive_received = match &raw.positive {
                    None => true,
                    Some(placed) => match placed.get_ref().0.as_str() {
                        "received" => true,
                        "sent" => false,
                        _ => {
                            let message = "must be received or sent";
                            return Err(self.wrong("amount.positive", placed, message));
                        }
                    },
                };
                let text = template("amount.text", text)?;
                Ok(AmountSource::Signed { text, is_positive_received })
            }
            (None, Some(credit), Some(debit), None) if !has_words => Ok(AmountSource::Columns {
                credit: template("amount.credit", credit)?,
                debit: template("amount.debit", debit)?,
            }),
            (Some(text), None, None, Some(direction)) => {
                let (Some(credit), Some(debit)) = (credit_words, debit_words) else {
                    let message = "needs credit_words and debit_words";
                    return Err(self.wrong("amount.direction", direction, message));
                };
                if let Some(word) = credit.iter().find(|word| debit.contains(word)) {
                    let message = format!("is in both directions: {word:?}");
                    return Err(missing("amount.credit_words", &message));
                }
                Ok(AmountSource::Words {
                    text: template("amount.text", text)?,
                    direction: template("amount.direction", direction)?,
                    credit,
                    debit,
                })
            }
            _ => Err(missing(
                "amount",
                "must have text alone (signed), or credit and debit, or text and direction with \
                 credit_words and debit_words",
            )),
        }
    }

    /// How numbers are written, by what stands before their decimals and between groups of three
    /// digits, which these keys say.
    pub(super) fn number_format(
        &self,
        [decimal_key, thousands_key]: [&str; 2],
        [decimal, thousands]: [Option<&Placed>; 2],
    ) -> Checked<AmountFormat> {
        let mark = |key, placed: &Placed| {
            let mut characters = placed.get_ref().0.chars();
            match (characters.next(), characters.next()) {
                (Some(mark), None) if !mark.is_ascii_digit() && !"+-()eE".contains(mark) => {
                    Ok(mark)
                }
                _ => Err(self.wrong(key, placed, "must be one character such as , or .")),
            }
        };
        let decimal_mark = match decimal {
            None => '.',
            Some(placed) => mark(decimal_key, placed)?,
        };
        let thousands_mark = match thousands {
            None => None,
            Some(placed) if placed.get_ref().0.is_empty() => None,
            Some(placed) => Some(mark(thousands_key, placed)?),
        };
        if let Some(placed) = thousands.filter(|_| thousands_mark == Some(decimal_mark)) {
            return Err(self.wrong(thousands_key, placed, "is the decimal mark too"));
        }
        Ok(AmountFormat { decimal_mark, thousands_mark })
    }

    fn asset(&self, raw: &RawAsset) -> Checked<(Template, Option<Template>)> {
        let code = self.template("asset.code", &raw.code)?;
        let Some(placed) = &raw.decimals else { return Ok((code, None)) };
        let decimals = self.template("asset.decimals", placed)?;
        if decimals.fixed().is_some_and(|text| decimals_of(text).is_none()) {
            return Err(self.wrong("asset.decimals", placed, "must be 0 to 77"));
        }
        Ok((code, Some(decimals)))
    }

    fn accounts(
        &self,
        origin: &Origin,
        own: [(&str, Option<RawAccount>); 2],
        sides: [(&str, Option<RawAccount>); 2],
    ) -> Checked<Accounts<String>> {
        let source = |(key, account): &(&str, Option<RawAccount>)| {
            account.as_ref().map(|account| self.account(origin, key, account)).transpose()
        };
        match (source(&own[0])?, source(&own[1])?, source(&sides[0])?, source(&sides[1])?) {
            (Some(own), Some(partner), None, None) => Ok(Accounts::Own { own, partner }),
            (None, None, Some(sender), Some(receiver)) => Ok(Accounts::Sides { sender, receiver }),
            _ => {
                let message = "needs [own] and [partner], or [sender] and [receiver]";
                Err(missing("the mapping", message))
            }
        }
    }

    fn account(
        &self,
        origin: &Origin,
        key: &str,
        raw: &RawAccount,
    ) -> Checked<AccountSource<String>> {
        let network = match (&raw.network, &origin.network) {
            (Some(placed), _) => self.template(&format!("{key}.network"), placed)?,
            (None, Some(network)) => self.template_of(key, network.as_str(), None)?,
            (None, None) => return Err(missing(&format!("{key}.network"), "is missing")),
        };
        if network.fixed().is_some_and(|name| Network::parse(name).is_none()) {
            let place = raw.network.as_ref().map(Placed::span);
            let message = "must be 1 to 64 lower-case letters, digits, hyphens";
            return Err(self.wrong_at(&format!("{key}.network"), place.as_ref(), message));
        }
        let address = self.templates(&format!("{key}.address"), Some(&raw.address))?;
        Ok(AccountSource { network, address })
    }

    fn position(&self, raw: Option<&Placed>) -> Checked<Position<String>> {
        let Some(placed) = raw else { return Ok(Position::OldestFirst) };
        match placed.get_ref().0.as_str() {
            "oldest-first" => Ok(Position::OldestFirst),
            "newest-first" => Ok(Position::NewestFirst),
            text => {
                let template = self.template("position", placed)?;
                if template.fixed().is_some() && text.parse::<i64>().is_err() {
                    let message = "must be oldest-first, newest-first, a number or a {column}";
                    return Err(self.wrong("position", placed, message));
                }
                Ok(Position::Text(template))
            }
        }
    }

    fn id(&self, raw: &RawId) -> Checked<IdSource<String>> {
        match (&raw.uuid, &raw.key) {
            (None, None) => Ok(IdSource::Line),
            (Some(uuid), None) => Ok(IdSource::Uuid(self.template("id.uuid", uuid)?)),
            (None, Some(key)) => {
                let templates = self.templates("id.key", Some(key))?;
                if templates.iter().all(|template| template.fixed().is_some()) {
                    let message = "names no column: all rows would be one";
                    return Err(self.wrong_at("id.key", Some(&key.span()), message));
                }
                Ok(IdSource::Key(templates))
            }
            (Some(uuid), Some(_)) => {
                Err(self.wrong("id.uuid", uuid, "and id.key exclude each other"))
            }
        }
    }

    fn templates(&self, key: &str, raw: Option<&toml::Spanned<Texts>>) -> Checked<Vec<Template>> {
        let Some(raw) = raw else { return Ok(Vec::new()) };
        let Texts(texts) = raw.get_ref();
        if texts.is_empty() {
            return Err(self.wrong_at(key, Some(&raw.span()), "is an empty list"));
        }
        texts.iter().map(|text| self.template_of(key, text, Some(&raw.span()))).collect()
    }

    /// A text with places for values of columns.
    pub(super) fn template(&self, key: &str, placed: &Placed) -> Checked<Template> {
        self.template_of(key, &placed.get_ref().0, Some(&placed.span()))
    }

    fn template_of(
        &self,
        key: &str,
        text: &str,
        place: Option<&Range<usize>>,
    ) -> Checked<Template> {
        if text.is_empty() {
            return Err(self.wrong_at(key, place, "is empty"));
        }
        Template::parse(text).map_err(|error| self.wrong_at(key, place, &error.to_string()))
    }

    /// What is wrong with a value.
    pub(super) fn wrong(&self, key: &str, placed: &Placed, message: &str) -> MappingError {
        self.wrong_at(key, Some(&placed.span()), message)
    }

    fn wrong_at(&self, key: &str, place: Option<&Range<usize>>, message: &str) -> MappingError {
        let line = place.map(|place| line_at(self.text, place));
        MappingError { line, key: key.to_owned(), message: message.to_owned() }
    }
}

fn missing(key: &str, message: &str) -> MappingError {
    MappingError { line: None, key: key.to_owned(), message: message.to_owned() }
}

/// The line that a place in a text is on, from 1.
pub(super) fn line_at(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|&byte| byte == b'\n').count() + 1
}
