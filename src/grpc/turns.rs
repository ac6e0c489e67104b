//! How many calls of one token are at work at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    error::{Error, ErrorKind},
    telemetry::metrics::{Refused, refused},
};

/// After what time whoever has too many calls at work may ask again.
const WAIT: Duration = Duration::from_millis(100);

/// The calls at work, by token.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    most: usize,
    at_work: Arc<Mutex<HashMap<Uuid, usize>>>,
}

/// A call at work; ends when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    token_id: Uuid,
}

impl Turns {
    /// At most so many of one token; 0 is no limit.
    pub(super) fn new(most: usize) -> Self {
        Self { most, at_work: Arc::default() }
    }

    /// Lets a call of this token begin; none is counted where there is no limit.
    ///
    /// # Errors
    /// `TooOften` beyond the limit.
    pub(super) fn take(&self, token_id: Uuid) -> Result<Option<Turn>, Error> {
        if self.most == 0 {
            return Ok(None);
        }
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let count = at_work.entry(token_id).or_default();
        if *count >= self.most {
            refused(Refused::TokenConcurrency);
            return Err(Error::new(ErrorKind::TooOften(WAIT)));
        }
        *count += 1;
        Ok(Some(Turn { turns: self.clone(), token_id }))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut at_work = self.turns.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = at_work.entry(self.token_id) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_so_many_and_nothing_stays_behind() {
        let turns = Turns::new(2);
        let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
        let first = turns.take(one).expect("the first");
        let second = turns.take(one).expect("the second");
        assert!(matches!(turns.take(one).expect_err("a third").kind(), ErrorKind::TooOften(_)));
        let others = turns.take(other).expect("another token's first");
        drop(first);
        let third = turns.take(one).expect("one has ended");
        drop((second, others, third));
        assert!(turns.at_work.lock().expect("not poisoned").is_empty());
        assert!(Turns::new(0).take(one).expect("no limit").is_none());
    }
}
