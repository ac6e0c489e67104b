//! Pages of lists: rows in the order of a key that the next page starts behind.

/// A page of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Key that the next page starts behind; `None` on the last page.
    pub next_after: Option<String>,
}

impl<T> Page<T> {
    /// A page of `size` rows at most, from those that [`rows_wanted`] asked for.
    pub(super) fn cut(mut rows: Vec<T>, size: usize, key: impl Fn(&T) -> String) -> Self {
        let has_more = rows.len() > size;
        rows.truncate(size);
        let next_after = rows.last().filter(|_| has_more).map(key);
        Self { rows, next_after }
    }
}

/// Rows to ask for: one more than a page has tells whether there is a next one.
pub(super) fn rows_wanted(size: usize) -> i64 {
    i64::try_from(size.saturating_add(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_more_than_a_page_has_means_a_next_page() {
        for (count, size, expected) in
            [(0, 2, (0, None)), (2, 2, (2, None)), (3, 2, (2, Some("1"))), (2, 1, (1, Some("0")))]
        {
            let rows: Vec<_> = (0..count).collect();
            let page = Page::cut(rows, size, i32::to_string);
            assert_eq!((page.rows.len(), page.next_after.as_deref()), expected, "{count} {size}");
        }
        assert_eq!((rows_wanted(1), rows_wanted(usize::MAX)), (2, i64::MAX));
    }
}
