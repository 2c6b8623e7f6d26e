//! The same random calls on SQLite and in memory: equal answers, equal data.

use model::{Certainty, Commit, DeviceRow, Fence, Member, Opaque, OperationRow, Outcome, Settle, Side, Write};
use proptest::collection::vec;
use proptest::prelude::*;

use super::given::*;
use super::{Folder, Place};
use crate::{Horizon, Inspect, Memory};

/// One call.
#[derive(Clone, Debug)]
enum Step {
    /// Takes a shop's partition anew.
    Load { shop: u64, horizon: u64 },
    /// Commits batches together.
    Commit(Vec<Batch>),
    /// Adds or replaces a member.
    Member { who: usize, subjects: Vec<u8>, balance: i64 },
    /// Adds credentials.
    Keys(Vec<u64>),
    /// Ends one.
    EndKey { key: u64, at: u64, now: u64 },
    /// Forgets what is old.
    Forget { before: u64, most: usize },
    /// Looks for a repeat.
    Earlier { shop: u64, n: u64 },
    /// Starts again on the same data.
    Restart,
}

#[derive(Clone, Debug)]
struct Batch {
    shop: u64,
    stale: bool,
    writes: Vec<(u8, u64, u64)>,
    settles: Vec<(u64, u8, usize)>,
}

const NAMES: [&str; 2] = ["ann", "bob"];
const EVIDENCE: [&str; 8] =
    ["pay 100", "pay 4000", "pay 100", "again", "force 9000", "force 0", "again_for 1", "stranger 1"];

fn batches() -> impl Strategy<Value = Batch> {
    let writes = vec((0..15_u8, 0..5_u64, 0..20_u64), 0..6);
    let settles = vec((0..5_u64, 0..6_u8, 0..EVIDENCE.len()), 0..3);
    (1..3_u64, prop::bool::weighted(0.1), writes, settles).prop_map(|(shop, stale, writes, settles)| Batch {
        shop,
        stale,
        writes,
        settles,
    })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1..3_u64, 0..30_u64).prop_map(|(shop, horizon)| Step::Load { shop, horizon }),
        8 => vec(batches(), 0..4).prop_map(Step::Commit),
        2 => (0..2_usize, vec(0..5_u8, 0..3), 0..9_000_i64)
            .prop_map(|(who, subjects, balance)| Step::Member { who, subjects, balance }),
        2 => vec(0..4_u64, 0..3).prop_map(Step::Keys),
        3 => (0..4_u64, 0..20_u64, 0..20_u64).prop_map(|(key, at, now)| Step::EndKey { key, at, now }),
        1 => (0..25_u64, 0..4_usize).prop_map(|(before, most)| Step::Forget { before, most }),
        3 => (1..3_u64, 0..5_u64).prop_map(|(shop, n)| Step::Earlier { shop, n }),
        1 => Just(Step::Restart),
    ]
}

fn a_write(shop_number: u64, (what, n, value): (u8, u64, u64)) -> Write {
    let body = Opaque::from(format!("body {value}"));
    let certainty = if value % 2 == 0 { Certainty::Unknown } else { Certainty::NotDelivered };
    match what {
        0..=4 => {
            let mut row = work(shop_number, n);
            row.key = key(&format!("key-{}", n % 3));
            Write::Accepted(Box::new(row))
        }
        5 => Write::Ended { operation: id(shop_number, n), outcome: Outcome::Completed { body }, at: at(value) },
        6 => Write::Ended { operation: id(shop_number, n), outcome: Outcome::Expired { certainty }, at: at(value) },
        7 => Write::Owed(model::MailRow { until: at(value), ..mail(shop_number, n) }),
        8 => Write::Paid { operation: id(shop_number, n) },
        9 => Write::LateAnswer { operation: id(shop_number, n), body, at: at(value) },
        10 => Write::Seen(DeviceRow { last_seen_at: at(value), ..device(shop_number, &format!("device-{n}"), 0) }),
        // Work that makes good for other work, of which there may be several, and none.
        11 | 12 => {
            let key = key(&format!("key-{}", value % 3));
            Write::Accepted(Box::new(OperationRow { key, ..good_for(shop_number, 5 + n, value % 6) }))
        }
        13 => Write::Ended { operation: id(shop_number, 5 + n), outcome: Outcome::Declined { body }, at: at(value) },
        _ => Write::Ended { operation: id(3 - shop_number, n), outcome: Outcome::Completed { body }, at: at(value) },
    }
}

fn a_settle(shop: u64, (n, subject, evidence): (u64, u8, usize)) -> Settle {
    let subject = (subject < 5).then(|| format!("subject-{subject}"));
    settle(shop, n, subject.as_deref(), EVIDENCE[evidence])
}

/// A store, how to open it again, and the fences its owner has.
struct Tried<P> {
    place: P,
    store: Option<Box<dyn Inspect>>,
    fences: [Fence; 3],
}

impl<P: Place> Tried<P> {
    fn new() -> Self {
        let place = P::new();
        let store = Some(place.open());
        Self { place, store, fences: [Fence(0); 3] }
    }

    fn take(&mut self, step: &Step) -> String {
        let store = self.store.as_mut().unwrap();
        match step {
            Step::Load { shop, horizon } => {
                let loaded = store.load(&[home(*shop)], Horizon::at(at(*horizon))).unwrap();
                self.fences[usize::try_from(*shop).unwrap()] = loaded[0].fence;
                format!("{loaded:?}")
            }
            Step::Commit(batches) => {
                let commits: Vec<Commit> = batches
                    .iter()
                    .map(|each| {
                        let fence = self.fences[usize::try_from(each.shop).unwrap()];
                        let fence = if each.stale { Fence(fence.0.wrapping_sub(1)) } else { fence };
                        let writes = each.writes.iter().map(|write| a_write(each.shop, *write)).collect();
                        let settles = each.settles.iter().map(|settle| a_settle(each.shop, *settle)).collect();
                        Commit { settles, ..batch(each.shop, fence, writes) }
                    })
                    .collect();
                format!("{:?}", store.commit(&commits))
            }
            Step::Member { who, subjects, balance } => {
                let subjects = subjects.iter().map(|n| (format!("subject-{n}").into(), Side::Left)).collect();
                let member = Member { subjects, balance: usd(*balance), ..person(NAMES[*who]) };
                format!("{:?}", store.put_member(&member))
            }
            Step::Keys(keys) => {
                let made = |n: &u64| if *n == 3 { signing("key-3", 1) } else { credential(&format!("key-{n}"), n % 2) };
                let keys: Vec<_> = keys.iter().map(made).collect();
                format!("{:?}", store.add_credentials(&keys))
            }
            Step::EndKey { key, at, now } => {
                let id = credential(&format!("key-{key}"), 0).id;
                format!("{:?}", store.end_credential(&id, wall(*at), wall(*now)))
            }
            Step::Forget { before, most } => format!("{:?}", store.forget(at(*before), *most)),
            Step::Earlier { shop: n, n: k } => {
                format!("{:?}", store.earlier(&shop(*n), &key(&format!("key-{}", k % 3))))
            }
            Step::Restart => {
                self.store = None;
                self.store = Some(self.place.open());
                String::new()
            }
        }
    }

    fn dump(&mut self) -> String {
        let store = self.store.as_mut().unwrap();
        assert!(store.accounts().unwrap().iter().all(crate::Account::adds_up));
        let version = store.credentials_version().unwrap();
        let loaded = store.load(&[home(1), home(2), home(3)], Horizon::at(at(0))).unwrap();
        format!("{version}\n{}\n{loaded:?}", everything(&**store))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_say_the_same(steps in vec(steps(), 1..40)) {
        let mut sqlite = Tried::<Folder>::new();
        let mut memory = Tried::<Memory>::new();
        let first = [1, 2].map(|shop| Step::Load { shop, horizon: 0 });
        for (at, step) in first.iter().chain(&steps).enumerate() {
            prop_assert_eq!(sqlite.take(step), memory.take(step), "step {}: {:?}", at, step);
        }
        prop_assert_eq!(sqlite.dump(), memory.dump());
    }
}
