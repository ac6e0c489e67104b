//! Callers who were refused because nobody knows who they are: counted, and noted in the audit
//! log once in a while, so that whoever guesses fills neither memory nor the log.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most addresses that are told apart between two notes.
const ADDRESSES_MAX: usize = 16;

/// What the others are called.
const OTHERS: &str = "other addresses";

/// Refusals that are not noted yet.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    addresses: HashMap<IpAddr, u64>,
    others: u64,
}

impl Refusals {
    /// Counts a refusal of somebody at an address.
    pub(super) fn count(&self, address: Option<IpAddr>) {
        self.lock().add(address, 1);
    }

    /// What is not noted yet: calls by where they came from. It counts as noted then.
    pub(super) fn take(&self) -> Vec<(Option<IpAddr>, u64)> {
        let Counts { addresses, others } = std::mem::take(&mut *self.lock());
        let mut taken: Vec<_> =
            addresses.into_iter().map(|(address, calls)| (Some(address), calls)).collect();
        taken.sort_unstable();
        if others > 0 {
            taken.push((None, others));
        }
        taken
    }

    /// Takes back what could not be noted.
    pub(super) fn put_back(&self, taken: &[(Option<IpAddr>, u64)]) {
        let mut counts = self.lock();
        for (address, calls) in taken {
            counts.add(*address, *calls);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, address: Option<IpAddr>, calls: u64) {
        let has_room = self.addresses.len() < ADDRESSES_MAX;
        let place = match address {
            Some(address) if has_room || self.addresses.contains_key(&address) => {
                self.addresses.entry(address).or_default()
            }
            _ => &mut self.others,
        };
        *place = place.saturating_add(calls);
    }
}

/// What the audit log says of refused calls.
pub(super) fn subject((address, calls): &(Option<IpAddr>, u64)) -> String {
    let whence = address.map_or_else(|| OTHERS.to_owned(), |address| address.to_string());
    format!("{calls} calls from {whence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_address_and_bounded_and_taken_once() {
        let refusals = Refusals::default();
        for number in 0..100u8 {
            refusals.count(Some([10, 0, 0, number].into()));
        }
        refusals.count(Some([10, 0, 0, 3].into()));
        refusals.count(None);
        let taken = refusals.take();
        assert_eq!(taken.len(), ADDRESSES_MAX + 1);
        assert_eq!(taken[3], (Some([10, 0, 0, 3].into()), 2));
        assert_eq!(taken[ADDRESSES_MAX], (None, 85));
        assert_eq!(subject(&taken[3]), "2 calls from 10.0.0.3");
        assert_eq!(subject(&taken[ADDRESSES_MAX]), "85 calls from other addresses");
        assert!(refusals.take().is_empty());
        refusals.put_back(&taken);
        assert_eq!(refusals.take(), taken);
    }
}
