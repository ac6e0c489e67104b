//! Records of a file as prices, by a mapping. Pure.

use crate::{
    domain::{
        price::{symbol::SymbolName, tick::NewPrice},
        refusal::Fault,
    },
    files::{
        amounts::AmountFormat,
        columns::{Header, Layout, ReadRow, RowError, shown, texts},
        instants::InstantFormat,
        mapping::{FileFormat, MappingError, PriceMapping},
        records::Record,
        template::Template,
    },
};

/// Names of the column with the instant, where the mapping names none: the first that there is.
const TIME_COLUMNS: [&str; 3] = ["timestamp", "ticked_at", "time"];

/// A record as a price.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceRow {
    /// The line of the file that it begins on.
    pub line: u64,
    /// What it says.
    pub price: NewPrice,
}

/// Turns records into prices.
pub struct PriceReader {
    file: FileFormat,
    column_count: usize,
    symbol: Template<usize>,
    time: Template<usize>,
    time_format: InstantFormat,
    price: Template<usize>,
    price_format: AmountFormat,
}

impl Layout for PriceMapping {
    type Reader = PriceReader;

    fn file(&self) -> &FileFormat {
        &self.file
    }

    fn lines_max(&self) -> Option<usize> {
        None
    }

    fn bind(&self, header: &Header) -> Result<PriceReader, MappingError> {
        let one = |template: &Template| template.bind(|name| header.place_of(name));
        Ok(PriceReader {
            file: self.file.clone(),
            column_count: header.column_count(),
            symbol: one(&self.symbol)?,
            time: match &self.time {
                Some(template) => one(template)?,
                None => one(&usual_time(header)?)?,
            },
            time_format: self.time_format.clone(),
            price: one(&self.price)?,
            price_format: self.price_format,
        })
    }
}

/// The column with the instant, by its usual names.
fn usual_time(header: &Header) -> Result<Template, MappingError> {
    let wrong = |message| MappingError { line: None, key: "time.text".to_owned(), message };
    let names = match header {
        Header::Names(names) => names,
        Header::Count(_) => return Err(wrong("is wanted: the file has no header".to_owned())),
    };
    let name = TIME_COLUMNS.iter().find(|usual| names.iter().any(|name| name == *usual));
    let name = name.ok_or_else(|| {
        wrong(format!(
            "is wanted: the file has no column {}; its columns are {}",
            TIME_COLUMNS.join(", "),
            names.join(", ")
        ))
    })?;
    Template::parse(&format!("{{{name}}}")).map_err(|error| wrong(error.to_string()))
}

impl ReadRow for PriceReader {
    type Row = PriceRow;

    fn read(&mut self, record: &Record) -> Result<PriceRow, RowError> {
        let raws = texts(&self.file, record, self.column_count)?;
        let value = |place: usize| {
            let raw: &str = &raws[place];
            let is_empty = raw.is_empty() || self.file.empty.iter().any(|one| one == raw);
            (!is_empty).then_some(raw)
        };
        let wanted = |what: &str, template: &Template<usize>| {
            template.render(value).ok_or_else(|| format!("{what} is missing"))
        };
        let symbol = wanted("the symbol", &self.symbol)?;
        let time = wanted("the time", &self.time)?;
        let price = wanted("the price", &self.price)?;
        let price = NewPrice {
            symbol: SymbolName::parse(&symbol)
                .ok_or_else(|| format!("the symbol {} {}", shown(&symbol), SymbolName::RULE))?,
            ticked_at: self
                .time_format
                .read(&time)
                .map_err(|reason| format!("the time {} {reason}", shown(&time)))?,
            price: self
                .price_format
                .read(&price)
                .map_err(|reason| format!("the price {} {reason}", shown(&price)))?,
        };
        if let Some(Fault { field, message, .. }) = price.fault() {
            return Err(RowError::Rejected(format!("the {field} {message}")));
        }
        Ok(PriceRow { line: record.line, price })
    }

    fn pass_over(&mut self) {}
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;
    use crate::files::records::RecordReader;

    /// The rows of a file in words, or why each is none.
    fn read(mapping: &str, text: &str) -> Result<Vec<Result<String, String>>, String> {
        let mapping = PriceMapping::parse(mapping).map_err(|error| error.to_string())?;
        let mut records = RecordReader::new(text.as_bytes(), mapping.file.dialect);
        let mut next = || records.read().expect("memory can be read").map(Result::unwrap);
        let mut rows = Vec::new();
        let mut reader = None;
        if mapping.file.has_header {
            let text_of = |field| String::from_utf8(field).expect("UTF-8");
            let names = next().expect("a header").fields.into_iter().map(text_of).collect();
            let bound = mapping.bind(&Header::Names(names)).map_err(|error| error.to_string())?;
            reader = Some(bound);
        }
        while let Some(record) = next() {
            let header = Header::Count(record.fields.len());
            let reader = match &mut reader {
                Some(reader) => reader,
                none => none.insert(mapping.bind(&header).map_err(|error| error.to_string())?),
            };
            rows.push(match reader.read(&record) {
                Ok(PriceRow { line, price: NewPrice { symbol, ticked_at, price } }) => {
                    let at = ticked_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                    Ok(format!("{line} {symbol} {at} {price}"))
                }
                Err(RowError::Rejected(reason)) => Err(reason),
                Err(RowError::TooManyLines) => panic!("there is no limit"),
            });
        }
        Ok(rows)
    }

    fn check(mapping: &str, text: &str, expected: &[Result<&str, &str>]) {
        let found = read(mapping, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found: Vec<Result<&str, &str>> =
            found.iter().map(|row| row.as_deref().map_err(String::as_str)).collect();
        assert_eq!(found, expected, "{mapping} {text}");
    }

    #[test]
    fn columns_are_found_by_their_usual_names_in_any_order() {
        let row = Ok("2 ethbtc 2018-01-10T04:55:00Z 0.0994766");
        check("", "symbol,timestamp,price\nethbtc,2018-01-10T04:55:00Z,0.09947660\n", &[row]);
        check("", "price,x,ticked_at,symbol\n.0994766,,2018-01-10T05:55:00+01:00,ETH-BTC", &[row]);
        check("", "time,price,symbol\n2018-01-10T04:55:00Z,9.94766E-2,eth/xbt", &[row]);
    }

    #[test]
    fn a_mapping_names_columns_and_says_how_they_are_written() {
        let mapping = "symbol = \"{base}-{quote}\"\n\
            [file]\nseparator = \";\"\nempty = \"-\"\n\
            [time]\ntext = \"{day} {clock}\"\nformat = \"DD.MM.YYYY HH:mm\"\n\
            zone = \"Europe/Berlin\"\n\
            [price]\ntext = \"{last}\"\ndecimal = \",\"\nthousands = \".\"";
        let text = "day;clock;base;quote;last\n01.05.2024;02:00;BTC;EUR;53.000,5\n\
            01.05.2024;02:01;BTC;EUR;-\n";
        let rows = [Ok("2 btceur 2024-05-01T00:00:00Z 53000.5"), Err("the price is missing")];
        check(mapping, text, &rows);
        // A file of one symbol, without a header.
        let mapping = "symbol = \"btcusd\"\nfile.header = false\ntime.text = \"{1}\"\n\
            time.format = \"unix\"\nprice.text = \"{2}\"";
        check(mapping, "1714521600,60000\n", &[Ok("1 btcusd 2024-05-01T00:00:00Z 60000")]);
    }

    #[test]
    fn what_is_no_price_is_said() {
        let text = "symbol,time,price\n\
            b t c,2024-05-01T00:00:00Z,1\n,2024-05-01T00:00:00Z,1\nbtcusd,2024-05-01,1\n\
            btcusd,2024-05-01T00:00:00Z,1.000,0\nbtcusd,2024-05-01T00:00:00Z,x\n\
            btcusd,2024-05-01T00:00:00Z,0\nbtcusd,2024-05-01T00:00:00Z,-1\n\
            btcusd,2024-05-01T00:00:00Z,1e-31\nbtcusd,2024-05-01T00:00:00Z\n";
        let fits = "the price must have at most 30 digits before the point and 30 behind it";
        let rule = "the symbol \"b t c\" must be 1 to 32 letters and digits, for example btcusd";
        let expected = [
            Err(rule),
            Err("the symbol is missing"),
            Err("the time \"2024-05-01\" is no instant as RFC 3339 writes them"),
            Err("has 4 fields where 3 are wanted"),
            Err("the price \"x\" is no number in the format of the mapping"),
            Err("the price must be greater than zero"),
            Err("the price must be greater than zero"),
            Err(fits),
            Err("has 2 fields where 3 are wanted"),
        ];
        check("", text, &expected);
    }

    #[test]
    fn what_a_mapping_or_a_file_lacks_is_said() {
        for (mapping, text, expected) in [
            ("", "symbol,day,price\n", "time.text is wanted: the file has no column timestamp"),
            ("", "symbol,time\n", "{price} is no column of the file"),
            ("", "symbol,time,price,price\n", "{price} is a column that the file has twice"),
            ("file.header = false", "a,b,c\n", "{symbol} must be a number from 1 to 3"),
            (
                "file.header = false\nsymbol = \"{1}\"",
                "a,b,c\n",
                "time.text is wanted: the file has no header",
            ),
            ("name = \"x\"", "", "line 1: \"name = \\\"x\\\"\": unknown field"),
            ("symbol = \"b t c\"", "", "line 1: symbol must be 1 to 32 letters"),
            ("symbol = \"{\"", "", "line 1: symbol has a brace without its partner"),
            ("[time]\nformat = \"MM\"", "", "line 2: time.format does not tell instants"),
            ("[time]\nzone = \"x\"", "", "line 2: time.zone must be an IANA name"),
            ("[price]\ndecimal = \"..\"", "", "line 2: price.decimal must be one character"),
            ("[price]\nthousands = \".\"", "", "line 2: price.thousands is the decimal mark too"),
        ] {
            let error = read(mapping, text).expect_err(expected);
            assert!(error.contains(expected), "{mapping} {text}: {error}");
        }
    }
}
