//! How often one caller may ask: for each token, and for each address.
//!
//! A limit of N a second lets N calls come at once, and then one each Nth of a second. What is
//! remembered is bounded: addresses that asked nothing lately are forgotten.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DashMapStateStore,
};
use uuid::Uuid;

use crate::{
    config::ServerSettings,
    error::{Error, ErrorKind},
    telemetry::metrics::{Refused, refused},
};

/// Keys from which on those that asked nothing lately are forgotten.
const KEYS_MAX: usize = 10_000;

/// The limits of callers.
pub struct Rates {
    tokens: Option<Limiter<Uuid>>,
    addresses: Option<Limiter<IpAddr>>,
    look_ups: Option<Limiter<IpAddr>>,
}

impl Rates {
    /// The limits that the settings say; 0 is none.
    #[must_use]
    pub fn new(settings: &ServerSettings) -> Self {
        Self {
            tokens: Limiter::new(settings.token_rate_max),
            addresses: Limiter::new(settings.address_rate_max),
            look_ups: Limiter::new(settings.token_lookup_rate_max),
        }
    }

    /// Counts a call from an address.
    ///
    /// # Errors
    /// `TooOften` beyond the limit.
    pub(super) fn count_address(&self, address: Option<IpAddr>) -> Result<(), Error> {
        count(self.addresses.as_ref(), address.map(network), Refused::AddressRate)
    }

    /// Counts a call with a token.
    ///
    /// # Errors
    /// `TooOften` beyond the limit.
    pub(super) fn count_token(&self, token_id: Uuid) -> Result<(), Error> {
        count(self.tokens.as_ref(), Some(token_id), Refused::TokenRate)
    }

    /// Counts a look-up of a token that an address sent and that is not known yet.
    ///
    /// # Errors
    /// `TooOften` beyond the limit.
    pub(super) fn count_look_up(&self, address: Option<IpAddr>) -> Result<(), Error> {
        count(self.look_ups.as_ref(), address.map(network), Refused::LookUpRate)
    }
}

/// What counts as one address: of IPv6 the first half, which is what one subscriber has at least
/// (RFC 6177).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn count<K: Clone + Eq + Hash>(
    limiter: Option<&Limiter<K>>,
    key: Option<K>,
    what: Refused,
) -> Result<(), Error> {
    match (limiter, key) {
        (Some(limiter), Some(key)) => limiter.count(&key).inspect_err(|_| refused(what)),
        _ => Ok(()),
    }
}

struct Limiter<K: Clone + Eq + Hash> {
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock>,
    clock: DefaultClock,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(rate_max: u32) -> Option<Self> {
        let clock = DefaultClock::default();
        let quota = Quota::per_second(NonZeroU32::new(rate_max)?);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Some(Self { limiter, clock })
    }

    fn count(&self, key: &K) -> Result<(), Error> {
        if self.limiter.len() >= KEYS_MAX {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|early| {
            // Rounded up: whoever comes back then is not too early again.
            let wait = early.wait_time_from(self.clock.now()) + Duration::from_millis(1);
            Error::new(ErrorKind::TooOften(wait))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(outcome: Result<(), Error>) -> Option<Duration> {
        let error = outcome.err()?;
        let ErrorKind::TooOften(wait) = error.kind() else { panic!("{error:?}") };
        Some(*wait)
    }

    #[test]
    fn so_many_come_at_once_and_each_has_limits_of_its_own() {
        let limiter = Limiter::new(5).expect("a limit");
        for key in ["a", "b"] {
            for _ in 0..5 {
                assert_eq!(wait(limiter.count(&key)), None);
            }
            let wait = wait(limiter.count(&key)).expect("too often");
            assert!(wait <= Duration::from_millis(201), "{wait:?}");
        }
        assert!(Limiter::<u8>::new(0).is_none());
    }

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        for (one, other, is_same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let parsed = |text: &str| network(text.parse().expect("an address"));
            assert_eq!(parsed(one) == parsed(other), is_same, "{one} {other}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let limiter = Limiter::new(1_000_000).expect("a limit");
        for key in 0..3 * KEYS_MAX {
            assert_eq!(wait(limiter.count(&key)), None);
            if key % 5_000 == 0 {
                // Those before have their whole allowance again by now.
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        assert!(limiter.limiter.len() <= KEYS_MAX + 5_000, "{}", limiter.limiter.len());
    }
}
