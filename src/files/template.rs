//! Texts of a mapping in which `{name}` stands for a row's value in that column.

use std::fmt::Write as _;

/// A text with places for values of columns. A column is a name first, and a place in the
/// row (`usize`) once the file's header is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template<Column = String> {
    parts: Vec<Part<Column>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part<Column> {
    Text(String),
    Column(Column),
}

/// What is wrong with the text of a template.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("has a brace without its partner: write {{{{ or }}}} for a brace itself")]
    LoneBrace,
    /// Nothing between the braces.
    #[error("has {{}} without the name of a column in it")]
    NoName,
}

impl Template {
    /// Reads a template. Doubled braces stand for themselves.
    ///
    /// # Errors
    /// Says what is wrong with the braces.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(place) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(place);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else {
                let inner = from.strip_prefix('{').ok_or(TemplateError::LoneBrace)?;
                let (name, after) = inner.split_once('}').ok_or(TemplateError::LoneBrace)?;
                if name.contains('{') {
                    return Err(TemplateError::LoneBrace);
                }
                if name.is_empty() {
                    return Err(TemplateError::NoName);
                }
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Column(name.to_owned()));
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The template of a file whose columns are at hand.
    ///
    /// # Errors
    /// What `place_of` says of a column.
    pub fn bind<E>(
        &self,
        mut place_of: impl FnMut(&str) -> Result<usize, E>,
    ) -> Result<Template<usize>, E> {
        let bind = |part: &Part<String>| {
            Ok(match part {
                Part::Text(text) => Part::Text(text.clone()),
                Part::Column(name) => Part::Column(place_of(name)?),
            })
        };
        Ok(Template { parts: self.parts.iter().map(bind).collect::<Result<_, E>>()? })
    }
}

impl<Column> Template<Column> {
    /// The text, where it names no column.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl Template<usize> {
    /// The text for a row, `None` if one of its columns has no value there.
    pub fn render<'a>(&self, value: impl Fn(usize) -> Option<&'a str>) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Column(place) => text.push_str(value(*place)?),
            }
        }
        Some(text)
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    formatter.write_str(&text.replace('{', "{{").replace('}', "}}"))?;
                }
                Part::Column(name) => {
                    formatter.write_char('{')?;
                    formatter.write_str(name)?;
                    formatter.write_char('}')?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_stand_in_braces() {
        let template = Template::parse("{bank}-{{x}}-{account no}").expect("right");
        let places = ["bank", "account no"];
        let bound = template
            .bind(|name| Ok::<_, Infallible>(places.iter().position(|one| *one == name).unwrap()))
            .expect("cannot fail");
        let value = |row: &'static [&'static str]| {
            move |place: usize| row.get(place).copied().filter(|text| !text.is_empty())
        };
        assert_eq!(bound.render(value(&["YZ", "62"])).as_deref(), Some("YZ-{x}-62"));
        assert_eq!(bound.render(value(&["YZ", ""])), None);
        assert_eq!(Template::parse("cash").expect("right").fixed(), Some("cash"));
        assert_eq!(template.fixed(), None);
    }

    #[test]
    fn braces_come_in_pairs() {
        for text in ["{a", "a}", "{a{b}}", "{", "}", "{}}"] {
            let error = Template::parse(text).expect_err(text);
            assert!(matches!(error, TemplateError::LoneBrace | TemplateError::NoName), "{text}");
        }
        assert_eq!(Template::parse("a{}"), Err(TemplateError::NoName));
    }

    proptest! {
        #[test]
        fn parsing_undoes_printing(text in "[a{}-]{0,12}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
            }
        }
    }
}
