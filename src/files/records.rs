//! The records of a delimited file (RFC 4180 with any separator), one at a time and with their
//! bytes as they are, so that what is refused can be given back unchanged.
//!
//! Memory is bounded by [`RECORD_BYTES_MAX`] whatever the file holds. A quote that is never
//! closed costs its own line and no other one.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

/// Longest record; also how far the end of a quoted field is searched.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A record with its fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The line of the file that it begins on, from 1.
    pub line: u64,
    /// Its bytes, without the line break at the end.
    pub raw: Vec<u8>,
    /// Its fields, without quotes.
    pub fields: Vec<Vec<u8>>,
}

/// A line that is no record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BrokenLine {
    /// The line of the file, from 1.
    pub line: u64,
    /// Its bytes, without the line break; the beginning of it if it is too long.
    pub raw: Vec<u8>,
    /// What is wrong.
    pub reason: &'static str,
}

/// How fields are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dialect {
    /// Stands between fields.
    pub separator: u8,
    /// Stands around fields that hold separators, quotes or line breaks; doubled inside.
    pub quote: Option<u8>,
}

/// Reads records.
pub struct RecordReader<R> {
    input: R,
    dialect: Dialect,
    /// Lines that were read in search of a closing quote and are to be read again.
    pushed_back: VecDeque<Line>,
    /// Lines that were read from the input.
    lines_read: u64,
}

struct Line {
    number: u64,
    /// With its line break.
    bytes: Vec<u8>,
    is_cut: bool,
}

/// What the lines of a record are until now.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Split {
    /// A record.
    Whole,
    /// A quoted field goes on in the next line.
    Open,
    /// Something behind a closing quote.
    Broken,
}

impl<R: BufRead> RecordReader<R> {
    /// Reads records from here on.
    pub fn new(input: R, dialect: Dialect) -> Self {
        Self { input, dialect, pushed_back: VecDeque::new(), lines_read: 0 }
    }

    /// Leaves out a line, whatever is on it. Says whether there was one.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn skip_line(&mut self) -> io::Result<bool> {
        Ok(self.next_line()?.is_some())
    }

    /// The next record, or line that is none; `None` at the end. Empty lines are passed over.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Result<Record, BrokenLine>>> {
        let first = loop {
            match self.next_line()? {
                None => return Ok(None),
                Some(line) if without_break(&line.bytes).is_empty() => {}
                Some(line) => break line,
            }
        };
        let number = first.number;
        if first.is_cut {
            let reason = "the line is longer than 256 KiB";
            return Ok(Some(Err(BrokenLine { line: number, raw: first.bytes, reason })));
        }
        let mut splitter = Splitter::new(self.dialect);
        let mut found = splitter.add(&first.bytes);
        let mut length = first.bytes.len();
        let mut further = Vec::new();
        while found == Split::Open
            && let Some(line) = self.next_line()?
        {
            length += line.bytes.len();
            let is_too_long = line.is_cut || length > RECORD_BYTES_MAX;
            if !is_too_long {
                found = splitter.add(&line.bytes);
            }
            further.push(line);
            if is_too_long {
                break;
            }
        }
        let mut raw = first.bytes;
        if found == Split::Whole {
            further.iter().for_each(|line| raw.extend_from_slice(&line.bytes));
            raw.truncate(without_break(&raw).len());
            return Ok(Some(Ok(Record { line: number, raw, fields: splitter.fields })));
        }
        let reason = if found == Split::Open || !further.is_empty() {
            "a field in quotes does not end"
        } else {
            "something follows a closing quote"
        };
        // The other lines may be records of their own.
        further.into_iter().rev().for_each(|line| self.pushed_back.push_front(line));
        raw.truncate(without_break(&raw).len());
        Ok(Some(Err(BrokenLine { line: number, raw, reason })))
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.pushed_back.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let mut is_cut = false;
        loop {
            let found = self.input.fill_buf()?;
            if found.is_empty() {
                break;
            }
            let end = found.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(found.len(), |place| place + 1);
            let room = RECORD_BYTES_MAX - bytes.len();
            bytes.extend_from_slice(&found[..taken.min(room)]);
            is_cut |= taken > room;
            self.input.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if bytes.is_empty() && !is_cut {
            return Ok(None);
        }
        self.lines_read += 1;
        if self.lines_read == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(Line { number: self.lines_read, bytes, is_cut }))
    }
}

fn without_break(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Takes a record apart, each of its lines once.
struct Splitter {
    dialect: Dialect,
    fields: Vec<Vec<u8>>,
    /// What there is of a quoted field that goes on in the next line.
    open: Option<Vec<u8>>,
}

impl Splitter {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, fields: Vec::new(), open: None }
    }

    /// Adds a line with its line break, which belongs to a field that is still open at its end.
    fn add(&mut self, line: &[u8]) -> Split {
        let (mut rest, line_break) = line.split_at(without_break(line).len());
        loop {
            let Some((mut field, quote)) = self.quoted_field(&mut rest) else {
                let end = rest.iter().position(|&byte| byte == self.dialect.separator);
                self.fields.push(rest[..end.unwrap_or(rest.len())].to_vec());
                match end {
                    Some(end) => rest = &rest[end + 1..],
                    None => return Split::Whole,
                }
                continue;
            };
            let Some(after) = unquote(&mut field, rest, quote) else {
                field.extend_from_slice(line_break);
                self.open = Some(field);
                return Split::Open;
            };
            self.fields.push(field);
            match after.split_first() {
                None => return Split::Whole,
                Some((&byte, further)) if byte == self.dialect.separator => rest = further,
                Some(_) => return Split::Broken,
            }
        }
    }

    /// The quoted field that goes on or begins here, past its opening quote.
    fn quoted_field(&mut self, rest: &mut &[u8]) -> Option<(Vec<u8>, u8)> {
        let quote = self.dialect.quote?;
        if let Some(field) = self.open.take() {
            return Some((field, quote));
        }
        *rest = rest.strip_prefix(&[quote])?;
        Some((Vec::new(), quote))
    }
}

/// Adds the text up to the closing quote to the field. What comes behind the quote; `None` if
/// none closes.
fn unquote<'a>(field: &mut Vec<u8>, mut rest: &'a [u8], quote: u8) -> Option<&'a [u8]> {
    loop {
        let Some(end) = rest.iter().position(|&byte| byte == quote) else {
            field.extend_from_slice(rest);
            return None;
        };
        field.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(&[quote]) {
            Some(after) => {
                field.push(quote);
                rest = after;
            }
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::files::csv::append_record;

    const COMMA: Dialect = Dialect { separator: b',', quote: Some(b'"') };

    fn all(text: &[u8], dialect: Dialect) -> Vec<Result<Record, BrokenLine>> {
        let mut reader = RecordReader::new(text, dialect);
        std::iter::from_fn(|| reader.read().expect("memory can be read")).collect()
    }

    /// `(line, fields)` of records, `(line, what the line says)` of those that are none.
    fn check(text: &str, dialect: Dialect, expected: &[(u64, &[&str])]) {
        let found: Vec<(u64, Vec<String>)> = all(text.as_bytes(), dialect)
            .into_iter()
            .map(|one| match one {
                Ok(Record { line, fields, .. }) => (line, fields),
                Err(BrokenLine { line, raw, .. }) => (line, vec![b"!".to_vec(), raw]),
            })
            .map(|(line, fields)| {
                let text = |field: Vec<u8>| String::from_utf8(field).expect("UTF-8");
                (line, fields.into_iter().map(text).collect())
            })
            .collect();
        let expected: Vec<(u64, Vec<String>)> = expected
            .iter()
            .map(|(line, fields)| (*line, fields.iter().map(ToString::to_string).collect()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn fields_are_separated_and_quotes_taken_away() {
        check("a,b\r\nc,d\n", COMMA, &[(1, &["a", "b"]), (2, &["c", "d"])]);
        check("a,,\n\n\n\"\",x", COMMA, &[(1, &["a", "", ""]), (4, &["", "x"])]);
        check("\"a,\"\"b\"\"\",5\" pipe\n", COMMA, &[(1, &["a,\"b\"", "5\" pipe"])]);
        check("\"a\r\nb\",c\nd", COMMA, &[(1, &["a\r\nb", "c"]), (3, &["d"])]);
        check("\u{FEFF}a;b", Dialect { separator: b';', quote: None }, &[(1, &["a", "b"])]);
        check("\"a\";b", Dialect { separator: b';', quote: None }, &[(1, &["\"a\"", "b"])]);
        check("", COMMA, &[]);
    }

    #[test]
    fn a_quote_that_is_not_closed_costs_its_own_line_only() {
        check(
            "a,b\n\"c,d\ne,f\n\"g\",h\n",
            COMMA,
            // The quote of the third line would close it, with text behind.
            &[(1, &["a", "b"]), (2, &["!", "\"c,d"]), (3, &["e", "f"]), (4, &["g", "h"])],
        );
        check("\"a\"b,c\nd", COMMA, &[(1, &["!", "\"a\"b,c"]), (2, &["d"])]);
        check("\"", COMMA, &[(1, &["!", "\""])]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_one_read() {
        let text = format!("a\n{}\nb\n", "x".repeat(RECORD_BYTES_MAX + 5));
        let found = all(text.as_bytes(), COMMA);
        assert_eq!(found.len(), 3);
        let broken = found[1].as_ref().expect_err("too long");
        assert_eq!((broken.line, broken.raw.len()), (2, RECORD_BYTES_MAX));
        assert_eq!(found[2].as_ref().expect("a record").line, 3);
    }

    #[test]
    fn a_quoted_field_does_not_go_on_in_a_line_that_is_cut() {
        // The quote that closes is the last byte that is kept: what is cut off is not missed.
        let kept = format!("{}\",1", "x".repeat(RECORD_BYTES_MAX - 3));
        let text = format!("\"a\n{kept}00\nb,c\n");
        let found = all(text.as_bytes(), COMMA);
        let lines: Vec<(u64, &[u8])> = found
            .iter()
            .take(2)
            .map(|one| one.as_ref().expect_err("no record"))
            .map(|broken| (broken.line, broken.raw.as_slice()))
            .collect();
        assert_eq!(lines, [(1, b"\"a".as_slice()), (2, kept.as_bytes())]);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2].as_ref().expect("a record").line, 3);
    }

    #[test]
    fn a_record_is_at_most_as_long_as_a_line() {
        let of_length = |length: usize| format!("\"a\n{}\",b", "x".repeat(length - 6));
        let found = all(of_length(RECORD_BYTES_MAX).as_bytes(), COMMA);
        assert_eq!(found.len(), 1);
        let record = found[0].as_ref().expect("a record");
        assert_eq!((record.raw.len(), record.fields.len()), (RECORD_BYTES_MAX, 2));
        let found = all(of_length(RECORD_BYTES_MAX + 1).as_bytes(), COMMA);
        let broken = found[0].as_ref().expect_err("too long");
        assert_eq!((broken.line, broken.raw.as_slice()), (1, b"\"a".as_slice()));
    }

    #[test]
    fn each_line_of_a_record_is_taken_apart_once() {
        // Were they taken apart together, the state between them would not matter.
        let mut splitter = Splitter::new(COMMA);
        assert!(splitter.add(b"a,\"b\r\n") == Split::Open);
        assert!(splitter.add(b"\"\"c\n") == Split::Open);
        assert!(splitter.add(b"\n") == Split::Open);
        assert!(splitter.add(b"d\",\"e\n") == Split::Open);
        assert!(splitter.add(b"\",f\r\n") == Split::Whole);
        let expected: [&[u8]; 4] = [b"a", b"b\r\n\"c\n\nd", b"e\n", b"f"];
        assert_eq!(splitter.fields, expected);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(
                prop::collection::vec("[a\",;\r\n é]{0,6}", 1..4), 0..6),
        ) {
            let mut text = Vec::new();
            for fields in &rows {
                append_record(&mut text, fields.iter().map(String::as_bytes));
            }
            let found: Vec<Vec<Vec<u8>>> = all(&text, COMMA)
                .into_iter()
                .map(|record| record.expect("it was just written").fields)
                .collect();
            let expected: Vec<Vec<Vec<u8>>> = rows
                .into_iter()
                .map(|fields| fields.into_iter().map(String::into_bytes).collect())
                .collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_line_is_lost_whatever_the_bytes(text in "[a\",\n]{0,60}") {
            let kept: String = all(text.as_bytes(), COMMA)
                .into_iter()
                .map(|one| match one {
                    Ok(record) => record.raw,
                    Err(broken) => broken.raw,
                })
                .map(|raw| String::from_utf8(raw).expect("ASCII"))
                .collect();
            let plain = |text: &str| text.replace('\n', "");
            prop_assert_eq!(plain(&kept), plain(&text));
        }
    }
}
