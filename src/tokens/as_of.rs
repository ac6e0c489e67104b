//! As of which block a question is answered, and which rows that means.
//!
//! Rows carry the time of their block, and several blocks may have the same: rows up to a block
//! are those up to its time, less those of later blocks of that very time. Which blocks have rows
//! is known; a block that is not known has none.

use chrono::{DateTime, Duration, Utc};

use crate::{
    domain::{
        chain::first_position,
        token::{KnownBlock, TokenStream},
        window::Window,
    },
    error::{Error, ErrorKind, Obstacle, Violation},
    store::{Snapshot, list_holders::RowSpan, tokens},
};

/// As of when a question is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AsOfQuestion {
    /// As of the last block that is recorded.
    Head,
    /// As of the end of the block of this height.
    Height(i64),
    /// As of this instant.
    Instant(DateTime<Utc>),
    /// As of the block of a page before.
    Page(PagePin),
}

/// What holds pages to one block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PagePin {
    /// The block's height.
    pub height: i64,
    /// The instant that spans of time end at, in microseconds since the Unix epoch; `None` if no
    /// block was known.
    pub at: Option<i64>,
    /// The block's hash, if it was known: of a block without rows it is forgotten later.
    pub hash: Option<String>,
    /// Whether the block could not be taken back any more.
    pub is_final: bool,
    /// How often rows had been taken back.
    pub generation: i64,
    /// Height and hash of the last block with rows up to this one, if there was one.
    pub last_known: Option<(i64, String)>,
}

/// A block, and what is known up to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AsOf {
    /// Its height.
    pub height: i64,
    /// Its hash and its time, where they are known.
    pub block: Option<KnownBlock>,
    /// Whether it is not taken back any more.
    pub is_final: bool,
    /// The instant that spans of time end at: the block's, the one that was asked for, or where
    /// nothing better is known, that of the last block before.
    pub at: Option<DateTime<Utc>>,
    /// How often rows had been taken back.
    pub generation: i64,
    /// The last known block up to it: no row up to it is later.
    pub last_known: Option<KnownBlock>,
}

/// Finds the block that an answer is as of.
///
/// # Errors
/// `InvalidArgument` for a block that is not recorded; `InTheWay` for one of a page before that
/// is gone; what the database says.
pub async fn find(
    session: &Snapshot,
    (stream, head): (&TokenStream, &KnownBlock),
    question: &AsOfQuestion,
) -> Result<AsOf, Error> {
    let height = match question {
        AsOfQuestion::Head => head.height,
        AsOfQuestion::Height(height) => {
            check_height(*height, stream, head)?;
            *height
        }
        AsOfQuestion::Instant(at) => return at_instant(session, (stream, head), *at).await,
        AsOfQuestion::Page(pin) => return of_page(session, (stream, head), pin).await,
    };
    let last_known = tokens::block_at_height(session, stream.stream_id, height).await?;
    Ok(as_of((stream, head), height, last_known, None))
}

fn as_of(
    (stream, head): (&TokenStream, &KnownBlock),
    height: i64,
    last_known: Option<KnownBlock>,
    at: Option<DateTime<Utc>>,
) -> AsOf {
    let own = [Some(head), last_known.as_ref()];
    let block = own.into_iter().flatten().find(|block| block.height == height).cloned();
    let latest = block.as_ref().or(last_known.as_ref()).map(|block| block.mined_at);
    AsOf {
        height,
        is_final: height <= stream.final_height,
        at: at.or(latest),
        generation: stream.generation,
        block,
        last_known,
    }
}

fn check_height(height: i64, stream: &TokenStream, head: &KnownBlock) -> Result<(), Error> {
    if (stream.first_height..=head.height).contains(&height) {
        return Ok(());
    }
    let (first, last) = (stream.first_height, head.height);
    Err(invalid("as_of_height", format!("must be {first} to {last}: those blocks are recorded")))
}

async fn at_instant(
    session: &Snapshot,
    (stream, head): (&TokenStream, &KnownBlock),
    at: DateTime<Utc>,
) -> Result<AsOf, Error> {
    let last_known = match at <= head.mined_at {
        true => tokens::block_at_instant(session, stream.stream_id, at).await?,
        false => None,
    };
    let Some(last_known) = last_known else {
        let first = tokens::block_from_height(session, stream.stream_id, 0).await?;
        let first = first.map_or(head.mined_at, |first| first.mined_at);
        let (first, last) = (text(first), text(head.mined_at));
        let rule = format!("must be {first} to {last}: blocks of that time are recorded");
        return Err(invalid("as_of_time", rule));
    };
    Ok(as_of((stream, head), last_known.height, Some(last_known), Some(at)))
}

/// The block of a page before, if the rows up to it are still the same: because it was final, or
/// nothing was taken back since, or the last block with rows is still there, and with it, chained
/// by their hashes, all before it.
async fn of_page(
    session: &Snapshot,
    (stream, head): (&TokenStream, &KnownBlock),
    pin: &PagePin,
) -> Result<AsOf, Error> {
    let at = pin.at.and_then(DateTime::from_timestamp_micros);
    let last_known = tokens::block_at_height(session, stream.stream_id, pin.height).await?;
    let known = last_known.as_ref().map(|block| (block.height, block.hash.clone()));
    let is_same = pin.is_final || pin.generation == stream.generation || pin.last_known == known;
    if head.height < pin.height || !is_same {
        return Err(Error::new(ErrorKind::InTheWay(Obstacle {
            kind: "BLOCK_GONE",
            subject: pin.height.to_string(),
            description: format!(
                "the chain has taken back blocks up to {} since the page before: begin with the \
                 first page",
                pin.height
            ),
        })));
    }
    let found = as_of((stream, head), pin.height, last_known, at);
    let told = pin.hash.clone().zip(at);
    let told = told.map(|(hash, mined_at)| KnownBlock { height: pin.height, hash, mined_at });
    Ok(AsOf { block: found.block.or(told), ..found })
}

impl AsOf {
    /// What holds further pages to this block.
    #[must_use]
    pub fn pin(&self) -> PagePin {
        PagePin {
            height: self.height,
            at: self.at.map(|at| at.timestamp_micros()),
            hash: self.block.as_ref().map(|block| block.hash.clone()),
            is_final: self.is_final,
            generation: self.generation,
            last_known: self.last_known.as_ref().map(|block| (block.height, block.hash.clone())),
        }
    }

    /// All rows of an asset up to the block; `None` if there are none.
    #[must_use]
    pub fn all(&self, asset_id: i32) -> Option<RowSpan> {
        let last = self.last_known.as_ref()?;
        Some(self.rows(asset_id, last, Window::before(Some(end(last)))))
    }

    /// Rows of an asset up to the block and after an instant; `None` if there are none.
    #[must_use]
    pub fn after(&self, asset_id: i32, after: DateTime<Utc>) -> Option<RowSpan> {
        let last = self.last_known.as_ref()?;
        let window = Window::new(after + Duration::microseconds(1), end(last))?;
        Some(self.rows(asset_id, last, window))
    }

    fn rows(&self, asset_id: i32, last: &KnownBlock, window: Window) -> RowSpan {
        let beyond = first_position(self.height.saturating_add(1));
        RowSpan { asset_id, window, beyond: Some((last.mined_at, beyond)) }
    }
}

/// The end of windows that hold the rows of a block.
fn end(block: &KnownBlock) -> DateTime<Utc> {
    block.mined_at + Duration::microseconds(1)
}

fn invalid(field: &'static str, description: String) -> Error {
    Error::invalid(vec![Violation { field: field.into(), description }])
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
