//! Who asks: tokens, looked up once in a while and kept in memory in between.
//!
//! A token that was revoked or has expired is refused as soon as what is known of it is no
//! longer fresh. What is kept is bounded, whatever is sent. The database is asked for hashes,
//! never for secrets, and only for texts that can be tokens.

mod refusals;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use uuid::Uuid;

use refusals::Refusals;

pub use crate::store::access_tokens::{NewToken, RecordedToken};
use crate::{
    config::{AuthMode, ServerSettings},
    domain::access::{Identity, TokenHash, TokenRecord},
    error::{Error, ErrorKind},
    store::{Database, access_tokens as store, audit_log::note_refusals},
};

/// Most tokens that are kept of those in force, and of those that are not: unknown ones must
/// not drive out known ones.
const KEPT_MAX: usize = 10_000;

/// Most look-ups at once: whoever sends tokens that nobody made takes no connection from
/// everybody else.
const LOOK_UPS_MAX: usize = 2;

/// What the audit log says of calls whose makers nobody knows.
const REFUSED: &str = "fail authentication";

/// Tells who asks.
#[derive(Clone)]
pub struct Authenticator {
    database: Database,
    freshness: Duration,
    kept: Arc<Mutex<Kept>>,
    look_ups: Arc<Semaphore>,
    refusals: Arc<Refusals>,
}

#[derive(Default)]
struct Kept {
    in_force: HashMap<TokenHash, (Identity, Instant)>,
    refused: HashMap<TokenHash, Instant>,
}

impl Kept {
    /// What is known of a token and fresh: who holds it, or that nobody does.
    fn get(&self, hash: &TokenHash, freshness: Duration) -> Option<Option<Identity>> {
        if let Some((identity, asked_at)) = self.in_force.get(hash) {
            return (asked_at.elapsed() < freshness).then(|| Some(identity.clone()));
        }
        let asked_at = self.refused.get(hash)?;
        (asked_at.elapsed() < freshness).then_some(None)
    }

    fn put(&mut self, hash: TokenHash, found: Option<&Identity>, asked_at: Instant) {
        match found {
            Some(identity) => {
                make_room(&mut self.in_force);
                self.refused.remove(&hash);
                self.in_force.insert(hash, (identity.clone(), asked_at));
            }
            None => {
                make_room(&mut self.refused);
                self.in_force.remove(&hash);
                self.refused.insert(hash, asked_at);
            }
        }
    }
}

/// Everything goes at once: what is in use comes back with its next look-up.
fn make_room<T>(kept: &mut HashMap<TokenHash, T>) {
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
}

impl Authenticator {
    /// What tells who asks, where the settings say that callers must show a token: by default
    /// wherever others can reach the port.
    #[must_use]
    pub fn wanted(settings: &ServerSettings, database: &Database) -> Option<Self> {
        let is_wanted = match settings.auth {
            AuthMode::On => true,
            AuthMode::Off => false,
            AuthMode::Auto => !settings.listen.ip().is_loopback(),
        };
        let freshness = Duration::from_millis(settings.token_freshness_ms);
        is_wanted.then(|| Self::new(database.clone(), freshness))
    }

    /// Looks tokens up in this database; what it says is believed for so long.
    #[must_use]
    pub fn new(database: Database, freshness: Duration) -> Self {
        let look_ups = Arc::new(Semaphore::new(LOOK_UPS_MAX));
        let (kept, refusals) = (Arc::default(), Arc::default());
        Self { database, freshness, kept, look_ups, refusals }
    }

    /// Who holds the token of this hash; `None` if there is no such token, or it is not in force
    /// any more. `count` is asked before the database is, except for one that was in force when it
    /// was asked last: whoever guesses does not use up what its holder needs.
    ///
    /// # Errors
    /// If nothing fresh is known of it and the database cannot be asked; what `count` says.
    pub async fn identify(
        &self,
        hash: TokenHash,
        count: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Option<Identity>, Error> {
        if let Some(known) = self.known(&hash) {
            return Ok(known);
        }
        if !self.was_in_force(&hash) {
            count()?;
        }
        // Closed never.
        let _turn = self.look_ups.acquire().await;
        // Somebody else may have asked for the same one meanwhile.
        if let Some(known) = self.known(&hash) {
            return Ok(known);
        }
        // Before it is asked: what is revoked meanwhile counts as not known yet.
        let asked_at = Instant::now();
        let found = store::find(&self.database, &hash).await?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(
            hash,
            found.as_ref(),
            asked_at,
        );
        Ok(found)
    }

    /// Counts a call from an address that was refused because nobody knows who makes it.
    pub fn count_refusal(&self, address: Option<IpAddr>) {
        self.refusals.count(address);
    }

    /// Notes the refusals since the last time in the audit log.
    ///
    /// # Errors
    /// What the database says; they are noted the next time then.
    pub async fn note_refusals(&self) -> Result<(), Error> {
        let taken = self.refusals.take();
        if taken.is_empty() {
            return Ok(());
        }
        let subjects: Vec<String> = taken.iter().map(refusals::subject).collect();
        let noted = note_refusals(&self.database, REFUSED, &subjects).await;
        if noted.is_err() {
            self.refusals.put_back(&taken);
        }
        Ok(noted?)
    }

    fn was_in_force(&self, hash: &TokenHash) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.in_force.contains_key(hash)
    }

    fn known(&self, hash: &TokenHash) -> Option<Option<Identity>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(hash, self.freshness)
    }
}

/// Records a token.
///
/// # Errors
/// What the database says.
pub async fn create_token(database: &Database, new: &NewToken) -> Result<RecordedToken, Error> {
    Ok(store::create(database, new, &Identity::local()).await?)
}

/// All tokens, oldest first.
///
/// # Errors
/// What the database says.
pub async fn list_tokens(database: &Database) -> Result<Vec<TokenRecord>, Error> {
    Ok(store::list(database).await?)
}

/// Revokes a token. One that was revoked before stays so.
///
/// # Errors
/// `NotFound` for an unknown one; what the database says.
pub async fn revoke_token(database: &Database, token_id: Uuid) -> Result<TokenRecord, Error> {
    let revoked = store::revoke(database, token_id, &Identity::local()).await?;
    revoked.ok_or_else(|| Error::new(ErrorKind::NotFound("token")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_refused_tokens_drive_out_no_others() {
        let mut kept = Kept::default();
        let hash = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            hash
        };
        let (now, fresh) = (Instant::now(), Duration::from_secs(60));
        kept.put(hash(0), Some(&Identity::local()), now);
        for number in 1..=2 * KEPT_MAX + 1 {
            kept.put(hash(number), None, now);
        }
        assert!(kept.refused.len() <= KEPT_MAX);
        assert_eq!(kept.get(&hash(0), fresh), Some(Some(Identity::local())));
        assert_eq!(kept.get(&hash(2 * KEPT_MAX + 1), fresh), Some(None));
        assert_eq!(kept.get(&hash(1), fresh), None);
        assert_eq!(kept.get(&hash(0), Duration::ZERO), None);
        // What is known last counts.
        kept.put(hash(0), None, now);
        assert_eq!(kept.get(&hash(0), fresh), Some(None));
        kept.put(hash(0), Some(&Identity::local()), now);
        assert_eq!(kept.get(&hash(0), fresh), Some(Some(Identity::local())));
    }
}
