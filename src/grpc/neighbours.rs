//! How many connections each address has, so that one alone does not take the places of all.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::grpc::rates::network;

/// Connections of each address that has any, at most so many.
#[derive(Clone, Debug)]
pub(super) struct Neighbours {
    /// None without a limit.
    count_max: Option<usize>,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection of an address; it counts until it is dropped.
#[derive(Debug)]
pub(super) struct Neighbour {
    neighbours: Neighbours,
    address: IpAddr,
}

impl Neighbours {
    /// So many of one address; 0 is no limit.
    pub(super) fn new(count_max: usize) -> Self {
        Self {
            count_max: Some(count_max).filter(|&count_max| count_max > 0),
            counts: Arc::default(),
        }
    }

    /// Counts one more of an address, if it may have one.
    pub(super) fn take(&self, address: IpAddr) -> Option<Neighbour> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if self.count_max.is_some_and(|count_max| *count >= count_max) {
            return None;
        }
        *count += 1;
        Some(Neighbour { neighbours: self.clone(), address })
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let mut counts = self.neighbours.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = counts.entry(self.address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_so_many_and_nothing_is_kept_of_those_who_left() {
        let neighbours = Neighbours::new(2);
        let take = |text: &str| neighbours.take(text.parse().expect("an address"));
        let ours = [take("192.0.2.1"), take("::ffff:192.0.2.1")];
        assert!(ours.iter().all(Option::is_some) && take("192.0.2.1").is_none());
        let other = take("192.0.2.2");
        assert!(other.is_some());
        drop(ours);
        assert!(take("192.0.2.1").is_some());
        drop(other);
        assert!(neighbours.counts.lock().expect("nobody panicked").is_empty());
        let many = Neighbours::new(0);
        let all: Vec<_> = (0..9).map(|_| many.take(IpAddr::from([192, 0, 2, 1]))).collect();
        assert!(all.iter().all(Option::is_some));
    }
}
