//! Who may come in, and when: buckets per address and for all, asked before a byte of a connection is read.
//!
//! A bucket is a single instant, the one at which it will be full again (GCRA). A connection over the rate is not turned
//! away at once but given a later instant at which it is let in; only when that is too far off it is refused, with a
//! hint when to come back. Hints are spread, so that those refused together do not come back together.
//!
//! Memory is bounded: a full table forgets the buckets that are full again, and addresses it has no room for are held by
//! the bucket for all alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;

use crate::networks::place;
use crate::settings::Settings;

/// Addresses remembered; some 100 bytes each.
const PLACES_MOST: usize = 65_536;
/// A full table is looked through for buckets that are full again at most this often.
const SWEEP_EVERY: u64 = 1_000_000;
/// Refusals a second that are explained; beyond it connections are cut without a word.
const EXPLAINED_PER_SECOND: u32 = 500;

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Let it in.
    Welcome,
    /// Let it in after so long.
    Wait(Duration),
    /// Tell it to come back after so long.
    Refused(Over, Duration),
    /// Close it: too many were told already.
    Cut(Over),
}

/// Which limit a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// What one address may do.
    Address,
    /// What all together may do.
    All,
}

impl Over {
    /// The label of metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Address => "address_rate",
            Self::All => "rate",
        }
    }
}

/// The buckets of a process.
#[derive(Debug)]
pub(crate) struct Admission {
    address: Rate,
    all: Rate,
    explained: Rate,
    wait_most: u64,
    spread: Duration,
    loopback: Loopback,
    places_most: usize,
    buckets: Mutex<Buckets>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loopback {
    Exempt,
    Limited,
}

#[derive(Debug, Default)]
struct Buckets {
    all: Bucket,
    explained: Bucket,
    places: BTreeMap<IpAddr, Bucket>,
    swept: u64,
    refused: u32,
}

/// The microsecond at which a bucket is full again.
type Bucket = u64;

/// How fast a bucket fills, and how much fits.
#[derive(Clone, Copy, Debug)]
struct Rate {
    interval: u64,
    burst: u64,
}

impl Rate {
    fn new(per_second: u32, burst: u32) -> Self {
        Self { interval: (1_000_000 / u64::from(per_second.max(1))).max(1), burst: u64::from(burst.max(1)) }
    }

    /// In how many microseconds there is one to take.
    fn wait(self, bucket: Bucket, now: u64) -> u64 {
        bucket.saturating_sub(self.interval * (self.burst - 1)).saturating_sub(now)
    }

    fn take(self, bucket: &mut Bucket, now: u64) {
        *bucket = (*bucket).max(now) + self.interval;
    }
}

impl Admission {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            address: Rate::new(settings.address_rate, settings.address_burst),
            all: Rate::new(settings.connections_rate, settings.connections_burst),
            explained: Rate::new(EXPLAINED_PER_SECOND, EXPLAINED_PER_SECOND),
            wait_most: micros(settings.admission_wait),
            spread: settings.admission_spread,
            loopback: if settings.address_loopback_exempt { Loopback::Exempt } else { Loopback::Limited },
            places_most: PLACES_MOST,
            buckets: Mutex::default(),
        }
    }

    /// A connection has come. Its address may not be known yet: then it is asked for [later](Self::ask_address).
    pub(crate) fn ask(&self, now: Timestamp, address: Option<IpAddr>) -> Verdict {
        self.decide(now, address, Some(self.all))
    }

    /// A connection that is in already has turned out to come from this address.
    pub(crate) fn ask_address(&self, now: Timestamp, address: IpAddr) -> Verdict {
        self.decide(now, Some(address), None)
    }

    fn decide(&self, now: Timestamp, address: Option<IpAddr>, all: Option<Rate>) -> Verdict {
        let now = now.millis().saturating_mul(1_000);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = &mut *buckets;
        let place = address.filter(|address| self.is_limited(*address)).map(place);
        if place.is_some() && buckets.places.len() >= self.places_most {
            buckets.sweep(now);
        }
        let of_address = place.and_then(|place| buckets.places.get(&place)).map_or(0, |at| self.address.wait(*at, now));
        let of_all = all.map_or(0, |all| all.wait(buckets.all, now));
        let wait = of_address.max(of_all);
        if wait > self.wait_most {
            let over = if of_address >= of_all { Over::Address } else { Over::All };
            return self.refuse(buckets, now, over, wait);
        }
        if let Some(place) = place
            && (buckets.places.len() < self.places_most || buckets.places.contains_key(&place))
        {
            self.address.take(buckets.places.entry(place).or_default(), now);
        }
        if let Some(all) = all {
            all.take(&mut buckets.all, now);
        }
        if wait == 0 { Verdict::Welcome } else { Verdict::Wait(Duration::from_micros(wait)) }
    }

    fn refuse(&self, buckets: &mut Buckets, now: u64, over: Over, wait: u64) -> Verdict {
        if self.explained.wait(buckets.explained, now) > 0 {
            return Verdict::Cut(over);
        }
        self.explained.take(&mut buckets.explained, now);
        Verdict::Refused(over, Duration::from_micros(wait) + buckets.share(self.spread))
    }

    /// A share of the time, another one for everybody who asks, all of them evenly spread.
    pub(crate) fn share(&self, time: Duration) -> Duration {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).share(time)
    }

    fn is_limited(&self, address: IpAddr) -> bool {
        self.loopback == Loopback::Limited || !address.to_canonical().is_loopback()
    }
}

impl Buckets {
    fn share(&mut self, time: Duration) -> Duration {
        self.refused = self.refused.wrapping_add(1);
        // Multiples of the golden ratio lie evenly, however many there will be.
        time.mul_f64(f64::from(self.refused) * 0.618_033_988_749_895 % 1.0)
    }

    /// Forgets the addresses whose buckets are full again: they are as if they had never come.
    fn sweep(&mut self, now: u64) {
        if now >= self.swept.saturating_add(SWEEP_EVERY) {
            self.swept = now;
            self.places.retain(|_, at| *at > now);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn admission(change: impl FnOnce(&mut Settings)) -> Admission {
        let mut settings = Settings::default();
        change(&mut settings);
        Admission::new(&settings)
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number))
    }

    #[test]
    fn a_shop_of_thirty_tills_comes_back_three_times_in_a_second_without_waiting() {
        let admission = admission(|_| {});
        for _ in 0..3 * 30 {
            assert_eq!(admission.ask(at(0), Some(address(1))), Verdict::Welcome);
        }
    }

    #[test]
    fn ten_thousand_tills_behind_four_hundred_addresses_are_all_in_within_ten_seconds() {
        let admission = admission(|_| {});
        let waits: Vec<Duration> = (0..10_000_u32)
            .map(|till| match admission.ask(at(0), Some(address(till % 400))) {
                Verdict::Welcome => Duration::ZERO,
                Verdict::Wait(wait) => wait,
                refused => panic!("{refused:?}"),
            })
            .collect();
        assert!(waits.is_sorted(), "first come, first served");
        assert!(waits.iter().all(|wait| *wait < Duration::from_secs(10)), "{:?}", waits.last());
        // No second of it lets in more than the rate: what is behind us has a bound.
        for second in 1..10 {
            let within = |wait: &&Duration| wait.as_secs() == second;
            let rate = usize::try_from(Settings::default().connections_rate).unwrap();
            assert!(waits.iter().filter(within).count() <= rate, "second {second}");
        }
    }

    #[test]
    fn one_address_waits_in_line_and_is_then_told_when_to_come_back() {
        let admission = admission(|settings| {
            settings.address_rate = 10;
            settings.address_burst = 2;
            settings.admission_wait = Duration::from_millis(250);
        });
        let millis = Duration::from_millis;
        let guest = Some(address(1));
        let first: Vec<Verdict> = (0..5).map(|_| admission.ask(at(0), guest)).collect();
        let waits = [Verdict::Welcome, Verdict::Welcome, Verdict::Wait(millis(100)), Verdict::Wait(millis(200))];
        assert_eq!(first[..4], waits);
        let Verdict::Refused(Over::Address, hint) = first[4] else { panic!("{:?}", first[4]) };
        assert!(hint >= millis(300) && hint <= millis(300) + Settings::default().admission_spread);
        assert_eq!(admission.ask(at(0), Some(address(2))), Verdict::Welcome, "others do not suffer");
        assert_eq!(admission.ask(at(300), guest), Verdict::Wait(millis(0)).or_welcome());
    }

    impl Verdict {
        fn or_welcome(self) -> Self {
            if self == Self::Wait(Duration::ZERO) { Self::Welcome } else { self }
        }
    }

    #[test]
    fn hints_of_those_refused_together_are_spread_evenly() {
        let admission = admission(|settings| {
            settings.connections_rate = 1;
            settings.connections_burst = 1;
            settings.admission_wait = Duration::from_millis(1);
            settings.admission_spread = Duration::from_secs(5);
        });
        assert_eq!(admission.ask(at(0), None), Verdict::Welcome);
        let mut buckets = [0_u32; 5];
        for _ in 0..500 {
            let Verdict::Refused(Over::All, hint) = admission.ask(at(0), None) else { panic!("welcome") };
            buckets[usize::try_from((hint - Duration::from_secs(1)).as_secs()).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (95..=105).contains(count)), "{buckets:?}");
        assert_eq!(admission.ask(at(0), None), Verdict::Cut(Over::All), "explaining has a bound too");
    }

    #[test]
    fn a_full_table_forgets_only_who_is_welcome_anyway() {
        let mut admission = admission(|settings| settings.connections_burst = 1_000_000);
        admission.places_most = 100;
        for number in 0..100 {
            for _ in 0..=number {
                admission.ask(at(0), Some(address(number)));
            }
        }
        let now = at(1_000);
        assert_eq!(admission.ask(now, Some(address(1_000))), Verdict::Welcome);
        let places = admission.buckets.lock().unwrap().places.len();
        assert!((2..100).contains(&places), "{places} are left");
        for number in 0..1_000 {
            admission.ask(now, Some(address(2_000 + number)));
        }
        assert!(admission.buckets.lock().unwrap().places.len() <= 100);
        assert!(admission.buckets.lock().unwrap().places.contains_key(&address(99)), "the busiest is still known");
    }

    #[test]
    fn loopback_is_limited_only_when_asked_for() {
        for (exempt, welcome) in [(true, 1_000), (false, 5)] {
            let admission = admission(|settings| {
                settings.address_loopback_exempt = exempt;
                settings.address_burst = 5;
                settings.connections_burst = 100_000;
            });
            let ours = "::ffff:127.0.0.1".parse().unwrap();
            let met = (0..1_000).filter(|_| admission.ask(at(0), Some(ours)) == Verdict::Welcome).count();
            assert_eq!(met, welcome);
        }
    }
}
