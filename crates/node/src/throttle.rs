//! Holds off whoever guesses, and whoever fails faster than anybody mistypes.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

/// Counts failed logins, for each name at an address and for each address whatever it calls itself.
#[derive(Debug, Default)]
pub struct Throttle {
    names: Failures<Arc<str>>,
    addresses: Failures<IpAddr>,
}

impl Throttle {
    /// Failures of one name at one address within the span before it waits.
    pub const FREE: u32 = 10;
    /// Failures of one address within the span before it waits under every name. Thirty tills may stand behind one, so
    /// there is room for several with a wrong key: each of them is held off by its name first. This machine's own address
    /// is nobody's: everybody may stand behind it whom a proxy here does not name.
    pub const FREE_PER_ADDRESS: u32 = 100;
    /// So long after the first failure all of them are forgiven.
    pub const SPAN: Duration = Duration::from_secs(60);
    /// Names, and addresses, remembered at most; beyond it those that failed first are forgiven first.
    pub const MOST: usize = 10_000;

    /// How long this name at this address still has to wait; none when it may try. A try that has to wait is none.
    #[must_use]
    pub fn wait(&self, at: Timestamp, address: IpAddr, name: &str) -> Option<Duration> {
        let of_name = self.names.wait(at, name, Self::FREE);
        let of_address = place(address).and_then(|place| self.addresses.wait(at, &place, Self::FREE_PER_ADDRESS));
        of_name.max(of_address)
    }

    /// Notes a failure.
    pub fn failed(&mut self, at: Timestamp, address: IpAddr, name: &str) {
        self.names.add(at, name, |name| Arc::from(name));
        if let Some(place) = place(address) {
            self.addresses.add(at, &place, |place| *place);
        }
    }

    /// Forgives the name: the right secret came. What others at the address did is not forgiven with it.
    pub fn succeeded(&mut self, name: &str) {
        self.names.forgive(name);
    }
}

/// Who counts as one address: an IPv4 address, or the /64 that one IPv6 customer has to himself; none for this machine.
fn place(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(IpAddr::V4(address)),
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
    }
}

/// How often who failed, and since when.
#[derive(Debug)]
struct Failures<K> {
    counts: BTreeMap<K, (u32, Timestamp)>,
    /// The same by their first failure.
    oldest: BTreeSet<(Timestamp, K)>,
}

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), oldest: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Failures<K> {
    fn wait<Q: Ord + ?Sized>(&self, at: Timestamp, who: &Q, free: u32) -> Option<Duration>
    where
        K: Borrow<Q>,
    {
        let (count, first) = self.counts.get(who)?;
        let until = first.after(Throttle::SPAN);
        (*count >= free && until > at).then(|| until.since(at))
    }

    fn add<Q: Ord + ?Sized>(&mut self, at: Timestamp, who: &Q, key: impl FnOnce(&Q) -> K)
    where
        K: Borrow<Q>,
    {
        let is_over = |(first, _): &(Timestamp, K)| first.after(Throttle::SPAN) <= at;
        while self.oldest.first().is_some_and(is_over) {
            self.forgive_oldest();
        }
        if let Some((count, _)) = self.counts.get_mut(who) {
            *count = count.saturating_add(1);
            return;
        }
        if self.counts.len() >= Throttle::MOST {
            self.forgive_oldest();
        }
        let who = key(who);
        self.oldest.insert((at, who.clone()));
        self.counts.insert(who, (1, at));
    }

    fn forgive_oldest(&mut self) {
        if let Some((_, who)) = self.oldest.pop_first() {
            self.counts.remove(&who);
        }
    }

    fn forgive<Q: Ord + ?Sized>(&mut self, who: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((who, (_, first))) = self.counts.remove_entry(who) {
            self.oldest.remove(&(first, who));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn a_name_waits_after_ten_failures_and_others_do_not() {
        let mut throttle = Throttle::default();
        for second in 0..10 {
            assert_eq!(throttle.wait(at(second), HERE, "a"), None);
            throttle.failed(at(second), HERE, "a");
        }
        assert_eq!(throttle.wait(at(10), HERE, "a"), Some(Duration::from_secs(50)));
        assert_eq!(throttle.wait(at(10), HERE, "b"), None);
        assert_eq!(throttle.wait(at(60), HERE, "a"), None);
        throttle.failed(at(60), HERE, "a");
        assert_eq!(throttle.wait(at(60), HERE, "a"), None, "it is counted anew");
    }

    #[test]
    fn an_address_waits_whatever_it_calls_itself_and_one_right_secret_does_not_help() {
        let mut throttle = Throttle::default();
        for name in 0..Throttle::FREE_PER_ADDRESS {
            assert_eq!(throttle.wait(at(0), HERE, &name.to_string()), None);
            throttle.failed(at(0), HERE, &name.to_string());
        }
        throttle.succeeded("7");
        assert_eq!(throttle.wait(at(1), HERE, "new"), Some(Duration::from_secs(59)));
        assert_eq!(throttle.wait(at(1), THERE, "new"), None);
        assert_eq!(throttle.wait(at(60), HERE, "new"), None);
    }

    #[test]
    fn one_customer_of_ipv6_is_one_address() {
        let mut throttle = Throttle::default();
        for host in 0..Throttle::FREE_PER_ADDRESS {
            let address = IpAddr::V6(Ipv6Addr::from_bits((0x2001 << 112) + u128::from(host)));
            throttle.failed(at(0), address, &host.to_string());
        }
        let next = IpAddr::V6(Ipv6Addr::from_bits((0x2001 << 112) + 9_999));
        assert!(throttle.wait(at(0), next, "new").is_some());
    }

    #[test]
    fn this_machines_own_address_is_nobodys_but_names_there_are_counted() {
        for ours in ["127.0.0.1", "::1", "::ffff:127.0.0.9"] {
            let (ours, mut throttle) = (ours.parse().unwrap(), Throttle::default());
            for name in 0..2 * Throttle::FREE_PER_ADDRESS {
                throttle.failed(at(0), ours, &name.to_string());
            }
            assert_eq!(throttle.wait(at(1), ours, "new"), None, "{ours}");
            (0..Throttle::FREE).for_each(|_| throttle.failed(at(0), ours, "new"));
            assert!(throttle.wait(at(1), ours, "new").is_some(), "{ours}");
        }
    }

    #[test]
    fn when_it_is_full_the_first_to_fail_is_forgiven_first() {
        let mut failures = Failures::<Arc<str>>::default();
        failures.add(at(0), "z", |name| Arc::from(name));
        for number in 1..Throttle::MOST {
            failures.add(at(1), number.to_string().as_str(), |name| Arc::from(name));
        }
        failures.add(at(2), "a", |name| Arc::from(name));
        assert_eq!(failures.counts.len(), Throttle::MOST);
        assert_eq!(failures.oldest.len(), Throttle::MOST);
        assert_eq!(failures.wait(at(2), "z", 1), None);
        assert!(failures.wait(at(2), "a", 1).is_some());
        assert!(failures.wait(at(2), "1", 1).is_some());
        failures.forgive("1");
        assert_eq!(failures.oldest.len(), Throttle::MOST - 1);
        failures.add(at(61), "b", |name| Arc::from(name));
        assert_eq!(failures.counts.len(), 2, "what is over is not kept");
    }
}
