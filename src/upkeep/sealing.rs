//! Folds corrections into running totals, so that questions find few of them.

use std::time::{Duration, Instant};

use crate::{
    domain::running_total::damage::Damaged,
    store::{
        Connection, Database, StoreError, damage,
        sealing::{self, Sealed},
    },
    upkeep::UpkeepError,
};

/// Rows that one tx folds at most: bounds its memory and how long it lasts.
pub const SEALED_ROWS_MAX: i64 = 50_000;

/// Pages that the file of corrections may have while there are none: scans read them all. It grows
/// to what waited at most, about ninety corrections a page.
pub const EMPTY_PAGES_MAX: i64 = 2_048;

/// Time between two attempts to cut the file; doubled up to the longest one while they are in vain,
/// because somebody has an old snapshot or the table at work.
const CUT_PAUSE: Duration = Duration::from_secs(60);
const CUT_PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// When corrections are folded.
#[derive(Clone, Copy, Debug)]
pub struct SealingPolicy {
    /// As soon as there are so many.
    pub rows: i64,
    /// However few there are, after this time.
    pub interval: Duration,
}

/// Folds corrections on a connection of its own.
pub struct Sealing {
    database: Database,
    owner: Database,
    client: Option<Connection>,
    has_told: bool,
    /// Not before this, the file is cut; `None` before the first time.
    cut_at: Option<Instant>,
    cut_pause: Duration,
}

impl Sealing {
    /// Folds those of this database; `owner` is the same one as the role that owns the tables,
    /// which alone may cut their files.
    #[must_use]
    pub fn new(database: Database, owner: Database) -> Self {
        Self { database, owner, client: None, has_told: false, cut_at: None, cut_pause: CUT_PAUSE }
    }

    /// Folds until none, or fewer than `leave`, are left, a bounded number a tx; returns how
    /// many it folded. Does nothing while another server folds. Where none are left, a file that
    /// is much larger than what is in it is cut.
    ///
    /// # Errors
    /// If the database refuses; what was committed stays folded.
    pub async fn seal(&mut self, leave: i64) -> Result<u64, UpkeepError> {
        // Taken out: a connection on which something failed is not used again.
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.database.connect().await?,
        };
        if !self.has_told {
            damage::list(&client).await?.iter().for_each(tell);
            self.has_told = true;
        }
        let mut folded = 0;
        while sealing::backlog(&client, leave.max(1)).await? >= leave.max(1) {
            let Some(rows) = seal_some(&client, SEALED_ROWS_MAX).await? else { break };
            folded += rows as u64;
            if rows == 0 {
                break;
            }
        }
        if leave <= 1 {
            self.cut_file(&client).await?;
        }
        self.client = Some(client);
        Ok(folded)
    }

    async fn cut_file(&mut self, client: &Connection) -> Result<(), StoreError> {
        if self.cut_at.is_some_and(|cut_at| Instant::now() < cut_at) {
            return Ok(());
        }
        let before = sealing::file_pages(client).await?;
        if before <= EMPTY_PAGES_MAX {
            return Ok(());
        }
        // Also where it fails: not again and again.
        self.cut_at = Some(Instant::now() + self.cut_pause);
        sealing::cut_file(&self.owner.connect().await?).await?;
        let pages = sealing::file_pages(client).await?;
        self.cut_pause =
            if pages < before { CUT_PAUSE } else { (2 * self.cut_pause).min(CUT_PAUSE_MAX) };
        tracing::debug!(before, pages, "cut the file of corrections");
        Ok(())
    }
}

/// Folds up to `rows_max` corrections; returns how many, `None` if somebody else is folding.
/// Totals that cannot be read are set aside, with all corrections that would change them: one
/// damaged cell stops nobody else's.
///
/// # Errors
/// If the database refuses; then nothing was folded.
pub async fn seal_some(client: &Connection, rows_max: i64) -> Result<Option<usize>, StoreError> {
    loop {
        match sealing::seal(client, rows_max).await? {
            Sealed::Folded(rows) => return Ok(Some(rows)),
            Sealed::SetAside if sealing::backlog(client, 1).await? == 0 => return Ok(Some(0)),
            // There may be others behind those that were moved.
            Sealed::SetAside => {}
            Sealed::Busy => return Ok(None),
            // Each time there is more set aside, and less that can be folded.
            Sealed::Damaged(damaged) => {
                damage::set_aside(client, &damaged).await?;
                damaged.iter().for_each(tell);
            }
        }
    }
}

fn tell(damaged: &Damaged) {
    tracing::error!(%damaged, "running totals are set aside, with their corrections");
}

/// Folds all corrections that there are, up to `rows_max` a tx; returns how many.
///
/// # Errors
/// If the database refuses; what was committed stays folded.
pub async fn seal_once(database: &Database, rows_max: i64) -> Result<u64, StoreError> {
    let client = database.connect().await?;
    let mut folded = 0;
    loop {
        match seal_some(&client, rows_max).await? {
            Some(rows) if rows > 0 => folded += rows as u64,
            Some(_) | None => return Ok(folded),
        }
    }
}
