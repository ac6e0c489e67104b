//! Writing CSV (RFC 4180, with plain line feeds).

/// Appends a record. Fields are quoted where they would not be read back as they are; a
/// record of one empty field too, because an empty line is none.
pub fn append_record<'a>(into: &mut Vec<u8>, fields: impl IntoIterator<Item = &'a [u8]>) {
    let mut fields = fields.into_iter().peekable();
    let mut is_first = true;
    while let Some(field) = fields.next() {
        if !is_first {
            into.push(b',');
        }
        let is_alone = is_first && fields.peek().is_none();
        is_first = false;
        append_field(into, field, is_alone);
    }
    into.push(b'\n');
}

fn append_field(into: &mut Vec<u8>, field: &[u8], is_alone: bool) {
    let is_special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    // Spaces at an edge are kept by us, but not by everybody.
    let has_edge = field.first() == Some(&b' ') || field.last() == Some(&b' ');
    let is_no_line = is_alone && field.is_empty();
    if !(has_edge || is_no_line || field.iter().any(is_special)) {
        into.extend_from_slice(field);
        return;
    }
    into.push(b'"');
    for &byte in field {
        if byte == b'"' {
            into.push(b'"');
        }
        into.push(byte);
    }
    into.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        for (fields, expected) in [
            (&["a", "b c", ""][..], "a,b c,\n"),
            (&["a,b", "say \"hi\"", "two\nlines"], "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n"),
            (&[""], "\"\"\n"),
            (&[" a"], "\" a\"\n"),
        ] {
            let mut text = Vec::new();
            append_record(&mut text, fields.iter().map(|field| field.as_bytes()));
            assert_eq!(String::from_utf8(text).expect("UTF-8"), expected);
        }
    }
}
