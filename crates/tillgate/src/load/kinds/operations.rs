//! Operations end to end: a vendor creates a context, its scanner shows a palm, the vendor hears the outcome. Each is
//! stored before it is offered, and once more with its outcome before that is said.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::ensure;

use super::super::boop::{self, Word};
use super::super::crowd::Ears;
use super::super::plan::{Key, Outcome, Side};
use super::super::times::Times;
use super::super::worker::{LOOK, Share};

/// Logins on their way at once.
const LOGINS: usize = 200;

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let (vendors, scanners) = (share.keys(Side::Requester), share.keys(Side::Performer));
    let of_group: BTreeMap<&str, &Key> = scanners.iter().map(|key| (key.group.as_str(), key)).collect();
    let pairs: Vec<(&Key, &Key)> = vendors
        .iter()
        .filter_map(|vendor| Some((vendor, *of_group.get(vendor.group.as_str())?)))
        .take(share.plan.connections)
        .collect();
    ensure!(pairs.len() == share.plan.connections, "there are scanners for {} vendors only", pairs.len());
    // A vendor sits in an even seat, its scanner in the next.
    let seats: Vec<(usize, &Key)> = (0..)
        .step_by(2)
        .zip(&pairs)
        .flat_map(|(seat, (vendor, scanner))| [(seat, *vendor), (seat + 1, *scanner)])
        .collect();
    let in_flight = std::mem::replace(&mut share.plan.in_flight, LOGINS);
    let logins = share.log_in(&seats, Ears::Open, 0)?;
    outcome.times.insert("login".to_owned(), logins);
    share.together("logged in")?;
    let mut work = Work {
        number: 0,
        begun: BTreeMap::new(),
        whole: Times::default(),
        offered: Times::default(),
        decided: Times::default(),
    };
    for seat in (0..pairs.len() * 2).step_by(2) {
        (0..in_flight).for_each(|_| work.begin(share, seat));
    }
    let began = Instant::now();
    let most = if share.plan.count == 0 { u64::MAX } else { share.plan.count };
    while began.elapsed() < share.plan.span && work.whole.count() < most {
        let heard = share.look(LOOK)?;
        for (seat, word) in &heard {
            work.hear(share, *seat, *word);
        }
        share.looked(heard);
        share.progress(work.whole.count())?;
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome.done = work.whole.count();
    outcome.times.insert("operation".to_owned(), work.whole);
    outcome.times.insert("create to offer".to_owned(), work.offered);
    outcome.times.insert("scan to outcome".to_owned(), work.decided);
    Ok(outcome)
}

struct Work {
    number: u64,
    /// What is open: its vendor's seat, when it was created, when its scan was sent.
    begun: BTreeMap<u64, (usize, Instant, Option<Instant>)>,
    whole: Times,
    offered: Times,
    decided: Times,
}

impl Work {
    fn begin(&mut self, share: &mut Share, seat: usize) {
        self.number += 1;
        let id = boop::context_id(share.plan.run, self.number);
        self.begun.insert(self.number, (seat, Instant::now(), None));
        share.crowd.send(seat, &boop::create(&id));
    }

    fn hear(&mut self, share: &mut Share, seat: usize, word: Word) {
        match word {
            Word::Offer(number) => {
                let Some((_, created, scanned)) = self.begun.get_mut(&number) else { return };
                let now = Instant::now();
                self.offered.add(now - *created);
                *scanned = Some(now);
                share.crowd.send(seat, &boop::scan(&boop::context_id(share.plan.run, number)));
            }
            Word::Outcome(number) => {
                let Some((seat, created, scanned)) = self.begun.remove(&number) else { return };
                match scanned {
                    Some(scanned) => {
                        self.whole.add(created.elapsed());
                        self.decided.add(scanned.elapsed());
                    }
                    None => share.failed("ended without a scan: is a limit reached?"),
                }
                self.begin(share, seat);
            }
            Word::Lost => share.failed("session lost"),
            Word::Closed(code) => share.failed(format!("closed with {code}")),
            Word::Error => share.failed("error about no context"),
            Word::Opened
            | Word::NotOpened(_)
            | Word::Authenticated
            | Word::Pong
            | Word::Over(_)
            | Word::Taken
            | Word::Other => {}
        }
    }
}
