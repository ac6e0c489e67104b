//! An answer as it is laid out: lines, a table, lines below it. Pure.

use unicode_width::UnicodeWidthStr;

use crate::{ask::chart, domain::decimal::Decimal, files::csv::append_record};

/// Blanks between two columns.
const GAP: usize = 2;

/// What a text is shortened to at least, where the terminal is narrow.
const TEXT_WIDTH_MIN: usize = 12;

/// How wide bars are where there is room for anything.
const BAR_WIDTH: usize = 24;

/// How wide bars are at least; where there is less room there are none.
const BAR_WIDTH_MIN: usize = 8;

/// How wide an answer is laid out at most that is not shortened.
const WIDTH: usize = 80;

/// An answer that is to be shown.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Lines above the table.
    pub(super) heading: Vec<String>,
    /// What it is about.
    pub(super) table: Option<Table>,
    /// Lines below the table.
    pub(super) notes: Vec<String>,
    /// Whether the rows say something else.
    pub(super) differs: bool,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Never shortened, right-aligned.
    Number,
    /// Never shortened.
    Word,
    /// Shortened where a terminal is narrow.
    Text,
    /// Left out where a terminal is narrow.
    Spare,
}

/// A column of numbers.
pub(super) fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number }
}

/// A column of words that must be whole to be of use.
pub(super) fn word(name: &'static str) -> Column {
    Column { name, kind: Kind::Word }
}

/// A column of texts of any length.
pub(super) fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

/// A column of what is of use whole only, and can be done without.
pub(super) fn spare(name: &'static str) -> Column {
    Column { name, kind: Kind::Spare }
}

/// Rows of cells, and if it is wanted a bar for each.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    bars: Vec<Option<Decimal>>,
}

impl Table {
    /// One without rows.
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), bars: Vec::new() }
    }

    /// Adds a row, a cell a column.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let row: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(row.len(), self.columns.len(), "a cell a column");
        self.rows.push(row);
    }

    /// Adds a row with a bar as long as the value.
    pub(super) fn push_bar(&mut self, cells: impl IntoIterator<Item = String>, value: &str) {
        self.push(cells);
        self.bars.push(Decimal::parse(value));
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn lines(&self, columns: Option<usize>) -> Vec<String> {
        let clean: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
        let widths = self.widths(&clean, columns);
        let used = widths.iter().flatten().map(|width| width + GAP).sum::<usize>();
        let room = columns.unwrap_or(WIDTH).saturating_sub(used).min(BAR_WIDTH);
        // Elsewhere than on a terminal there is always room.
        let room = if columns.is_none() { room.max(BAR_WIDTH_MIN) } else { room };
        let bars = match room >= BAR_WIDTH_MIN {
            true => chart::bars(&self.bars, room),
            false => Vec::new(),
        };
        let mut lines = vec![self.line(self.columns.iter().map(|one| one.name), &widths)];
        for (place, row) in clean.iter().enumerate() {
            let mut line = self.line(row.iter().map(String::as_str), &widths);
            if let Some(bar) = bars.get(place).filter(|bar| !bar.is_empty()) {
                let gap = used.saturating_sub(line.width());
                line.push_str(&" ".repeat(gap));
                line.push_str(bar);
            }
            lines.push(line);
        }
        lines
    }

    /// How wide each column is, shortened to what the terminal takes where that can be; none for
    /// one that is left out, because it is empty or there is no room for it.
    fn widths(&self, rows: &[Vec<String>], columns: Option<usize>) -> Vec<Option<usize>> {
        let width = |(place, column): (usize, &Column)| {
            let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.width());
            let widest = cells.max().unwrap_or(0);
            let is_empty = widest == 0 && matches!(column.kind, Kind::Text | Kind::Spare);
            (!is_empty).then(|| widest.max(column.name.width()))
        };
        let mut widths: Vec<Option<usize>> = self.columns.iter().enumerate().map(width).collect();
        let Some(columns) = columns else { return widths };
        let is_wide = |widths: &[Option<usize>]| {
            widths.iter().flatten().map(|width| width + GAP).sum::<usize>() > columns + GAP
        };
        let of_kind = |kind| move |&place: &usize| self.columns[place].kind == kind;
        for place in (0..widths.len()).filter(of_kind(Kind::Spare)) {
            if is_wide(&widths) {
                widths[place] = None;
            }
        }
        while is_wide(&widths) {
            let longest =
                (0..widths.len()).filter(of_kind(Kind::Text)).max_by_key(|&one| widths[one]);
            match longest.and_then(|place| widths[place].as_mut()) {
                Some(width) if *width > TEXT_WIDTH_MIN => *width -= 1,
                _ => break,
            }
        }
        widths
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[Option<usize>]) -> String {
        let mut line = String::new();
        for ((cell, width), column) in cells.zip(widths).zip(&self.columns) {
            let &Some(width) = width else { continue };
            let cell = shortened(cell, width);
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            match column.kind {
                Kind::Number => line.extend([blanks.as_str(), &cell]),
                Kind::Word | Kind::Text | Kind::Spare => line.extend([cell.as_str(), &blanks]),
            }
            line.push_str(&" ".repeat(GAP));
        }
        line.trim_end().to_owned()
    }
}

impl Page {
    /// The page for people; shortened only where a terminal of so many columns shows it.
    pub(super) fn to_text(&self, columns: Option<usize>) -> String {
        let mut parts = vec![self.heading.iter().map(|line| visible(line)).collect::<Vec<_>>()];
        if let Some(table) = &self.table {
            parts.push(if table.is_empty() {
                vec!["none".to_owned()]
            } else {
                table.lines(columns)
            });
        }
        parts.push(self.notes.iter().map(|line| visible(line)).collect());
        let parts: Vec<String> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| part.join("\n")).collect();
        format!("{}\n", parts.join("\n\n"))
    }

    /// The table for machines; none where there is no table.
    pub(super) fn to_csv(&self) -> Option<String> {
        let table = self.table.as_ref()?;
        let mut text = Vec::new();
        let names: Vec<String> =
            table.columns.iter().map(|column| column.name.replace(' ', "_")).collect();
        append_record(&mut text, names.iter().map(String::as_bytes));
        for row in &table.rows {
            append_record(&mut text, row.iter().map(String::as_bytes));
        }
        String::from_utf8(text).ok()
    }
}

/// A text without what would move a terminal's cursor or change its colours: what somebody else
/// wrote must not.
fn visible(text: &str) -> String {
    let is_turning = |c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{200E}' | '\u{200F}') || is_turning(c);
    text.chars().map(|c| if is_hidden(c) { '\u{FFFD}' } else { c }).collect()
}

/// A text without its middle, if it is too long: what tells addresses apart is at their ends.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let half = width.saturating_sub(1) / 2;
    let (mut head, mut tail) = (String::new(), Vec::new());
    for c in text.chars() {
        if format!("{head}{c}").width() > width.saturating_sub(1) - half {
            break;
        }
        head.push(c);
    }
    for c in text.chars().rev() {
        let longer: String = std::iter::once(c).chain(tail.iter().rev().copied()).collect();
        if longer.width() > half {
            break;
        }
        tail.push(c);
    }
    tail.reverse();
    format!("{head}\u{2026}{}", tail.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut table = Table::new([text("user"), number("sum"), word("asset")]);
        for (user, sum) in
            [("ann", "12.50"), ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "3.00")]
        {
            table.push_bar([user, sum, "USD"].map(str::to_owned), sum);
        }
        let heading = vec!["two".to_owned()];
        Page { heading, table: Some(table), ..Page::default() }
    }

    #[test]
    fn a_terminal_is_filled_and_not_more() {
        for columns in [40, 60, 80, 200] {
            let text = page().to_text(Some(columns));
            assert!(text.lines().all(|line| line.width() <= columns), "{columns}:\n{text}");
            assert!(text.contains("12.50") && text.contains("BeAed"), "{text}");
        }
        assert!(page().to_text(Some(40)).contains('\u{2026}'));
    }

    #[test]
    fn a_pipe_gets_everything_whole() {
        let text = page().to_text(None);
        let row = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed   3.00  USD    █";
        assert!(text.contains(row), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
        let csv =
            "user,sum,asset\nann,12.50,USD\n0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed,3.00,USD\n";
        assert_eq!(page().to_csv().as_deref(), Some(csv));
        assert_eq!(Page::default().to_csv(), None);
    }

    #[test]
    fn what_is_empty_or_has_no_room_is_left_out() {
        let mut table = Table::new([word("at"), text("reference"), text("who"), spare("id")]);
        let id = "019e9a21-af5d-7f58-9f05-977b65e56c73";
        table.push(["noon", "", "ann", id].map(str::to_owned));
        let page = Page { table: Some(table), ..Page::default() };
        assert_eq!(page.to_text(None), format!("at    who  id\nnoon  ann  {id}\n"));
        assert_eq!(page.to_text(Some(40)), "at    who\nnoon  ann\n");
        assert_eq!(page.to_csv(), Some(format!("at,reference,who,id\nnoon,,ann,{id}\n")));
    }

    #[test]
    fn what_others_wrote_moves_no_cursor() {
        let mut table = Table::new([text("name")]);
        table.push(["red \u{1b}[31mred\u{7}\u{202e}".to_owned()]);
        let text = Page { table: Some(table), ..Page::default() }.to_text(None);
        assert_eq!(text, "name\nred \u{fffd}[31mred\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn wide_letters_are_as_wide_as_they_are_shown() {
        let mut table = Table::new([text("name"), word("code")]);
        table.push(["山田太郎".to_owned(), "a".to_owned()]);
        table.push(["ann".to_owned(), "b".to_owned()]);
        let shown = Page { table: Some(table), ..Page::default() }.to_text(None);
        assert_eq!(shown, "name      code\n山田太郎  a\nann       b\n");
        assert_eq!(shortened("山田太郎", 5), "山\u{2026}郎");
    }
}
