//! How many lines of the log refused logins may fill: some for each address and second, then only how many there were more.

use std::collections::BTreeMap;
use std::mem;
use std::net::IpAddr;
use std::time::Duration;

use model::Timestamp;

use crate::networks::place;

/// Lines of one address within a second.
const LINES: u32 = 5;
/// Addresses that are counted by themselves within a second; what more of them do is counted together.
const ADDRESSES: usize = 64;
/// After so long it is said how many had no line.
const SPAN: Duration = Duration::from_secs(1);

/// One core's refused logins of the running second.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    until: Option<Timestamp>,
    /// By address; none is everybody else.
    counts: BTreeMap<Option<IpAddr>, u32>,
}

/// Refused logins that had no line of their own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Silenced {
    /// Where they came from; none when from too many places to name them.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) count: u32,
}

impl Refusals {
    /// Whether one more gets a line.
    pub(crate) fn may_be_told(&mut self, at: Timestamp, peer: Option<IpAddr>) -> bool {
        self.until.get_or_insert(at.after(SPAN));
        let peer = peer.map(place);
        let is_own = self.counts.len() < ADDRESSES || self.counts.contains_key(&peer);
        let count = self.counts.entry(peer.filter(|_| is_own)).or_default();
        *count = count.saturating_add(1);
        *count <= LINES
    }

    /// Whether anybody was refused whom [`Refusals::over`] may have to tell of.
    pub(crate) const fn any(&self) -> bool {
        self.until.is_some()
    }

    /// What had no line, once the second is over.
    pub(crate) fn over(&mut self, at: Timestamp) -> Vec<Silenced> {
        if self.until.is_none_or(|until| until > at) {
            return Vec::new();
        }
        self.until = None;
        let counts = mem::take(&mut self.counts).into_iter();
        let silenced = |(peer, count): (_, u32)| Silenced { peer, count: count.saturating_sub(LINES) };
        counts.map(silenced).filter(|silenced| silenced.count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn peer(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number))
    }

    #[test]
    fn an_address_fills_a_few_lines_a_second_and_the_rest_is_counted() {
        let mut refusals = Refusals::default();
        let told = (0..30_000).filter(|_| refusals.may_be_told(at(0), Some(peer(1)))).count();
        assert_eq!(told, 5);
        assert!(refusals.may_be_told(at(0), Some(peer(2))), "others have lines of their own");
        assert_eq!(refusals.over(at(999)), []);
        assert_eq!(refusals.over(at(1_000)), [Silenced { peer: Some(peer(1)), count: 29_995 }]);
        assert!(!refusals.any());
        assert!(refusals.may_be_told(at(1_000), Some(peer(1))));
        assert_eq!(refusals.over(at(9_000)), []);
    }

    #[test]
    fn many_addresses_are_counted_together() {
        let mut refusals = Refusals::default();
        let told = (0..1_000).filter(|number| refusals.may_be_told(at(0), Some(peer(*number)))).count();
        assert_eq!(told, ADDRESSES + 5);
        assert_eq!(refusals.over(at(1_000)), [Silenced { peer: None, count: 1_000 - 64 - 5 }]);
    }
}
