//! Mappings of files with prices. Every key may be left out: the columns are then called `symbol`,
//! `price`, and `timestamp`, `ticked_at` or `time`.

use crate::{
    domain::price::symbol::SymbolName,
    files::{
        amounts::AmountFormat,
        instants::InstantFormat,
        mapping::{
            FileFormat, MappingError,
            check::Checker,
            raw::{Placed, RawPriceMapping},
            read_toml,
        },
        template::Template,
    },
};

/// Which column of a file with prices is what.
#[derive(Clone, Debug)]
pub struct PriceMapping {
    /// What the file looks like.
    pub file: FileFormat,
    /// What was traded for what.
    pub symbol: Template,
    /// When; `None` if the file's own header is to say.
    pub time: Option<Template>,
    /// How that is written.
    pub time_format: InstantFormat,
    /// The price.
    pub price: Template,
    /// How that is written.
    pub price_format: AmountFormat,
}

impl PriceMapping {
    /// Reads a mapping, which may be empty.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let raw: RawPriceMapping = read_toml(text)?;
        let checker = Checker::new(text);
        let column = |key: &str, placed: Option<&Placed>, usual: &str| match placed {
            Some(placed) => checker.template(key, placed),
            None => Template::parse(usual).map_err(|error| MappingError {
                line: None,
                key: key.to_owned(),
                message: error.to_string(),
            }),
        };
        let symbol = column("symbol", raw.symbol.as_ref(), "{symbol}")?;
        if let Some(placed) = &raw.symbol
            && symbol.fixed().is_some_and(|text| SymbolName::parse(text).is_none())
        {
            return Err(checker.wrong("symbol", placed, SymbolName::RULE));
        }
        let time = raw.time.text.as_ref();
        Ok(Self {
            file: checker.file(raw.file)?,
            symbol,
            time: time.map(|placed| checker.template("time.text", placed)).transpose()?,
            time_format: checker.time_format(raw.time.format.as_ref(), raw.time.zone.as_ref())?,
            price: column("price.text", raw.price.text.as_ref(), "{price}")?,
            price_format: checker.number_format(
                ["price.decimal", "price.thousands"],
                [raw.price.decimal.as_ref(), raw.price.thousands.as_ref()],
            )?,
        })
    }
}
