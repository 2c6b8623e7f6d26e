//! One message to many: a vendor creates a context, which is offered to each of its scanners, and takes it back once all
//! have it. Meanwhile other vendors ping.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::super::boop;
use super::super::crowd::Ears;
use super::super::plan::{Key, Outcome, Side};
use super::super::times::Times;
use super::super::words::{Word, id_of};
use super::super::worker::{LOOK, Share};
use super::pings::Pings;
use super::seats;

/// Logins on their way at once.
const LOGINS: usize = 200;
/// How often each of the others pings.
const PACE: Duration = Duration::from_millis(5);
/// How long one round may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The quiet time before each round.
const QUIET: Duration = Duration::from_millis(200);

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let scanners = share.keys(Side::Performer);
    let many = share.plan.connections;
    ensure!(scanners.len() >= many, "{many} listeners need as many scanners' keys, there are {}", scanners.len());
    let group = scanners.first().map(|key| key.group.clone()).unwrap_or_default();
    let one_group = scanners.iter().take(many).all(|key| key.group == group);
    ensure!(one_group, "the scanners must belong to one vendor");
    let vendors = share.keys(Side::Requester);
    let (caller, others): (Vec<Key>, Vec<Key>) = vendors.into_iter().partition(|key| key.group == group);
    ensure!(!caller.is_empty(), "there is no key of the scanners' vendor {group}");
    let probes = share.plan.extra.min(others.len());
    // Others first, then the vendor, then its scanners.
    let all = [seats(&others, 0, probes), seats(&caller, probes, 1), seats(&scanners, probes + 1, many)].concat();
    share.plan.in_flight = LOGINS;
    let logins = share.log_in(&all, Ears::Open, 0)?;
    outcome.times.insert("login".to_owned(), logins);
    let mut pings = Pings::new(share.plan.dialect, probes, PACE);
    (0..probes).for_each(|seat| pings.begin(share, seat, 1));
    share.together("logged in")?;
    let mut rounds = Rounds { vendor: probes, many, first: Times::default(), last: Times::default() };
    let mut calm = Times::default();
    let mut busy = Times::default();
    let began = Instant::now();
    for number in 1..=share.plan.count.max(1) {
        pings.restart();
        let quiet = Instant::now();
        while quiet.elapsed() < QUIET {
            let heard = share.look(Duration::from_millis(1))?;
            pings.hear(share, &heard);
            share.looked(heard);
        }
        calm.merge(&pings.times);
        pings.restart();
        rounds.play(share, &mut pings, number)?;
        busy.merge(&pings.times);
        share.progress(number)?;
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome.done = rounds.last.count();
    outcome.times.insert("first delivery".to_owned(), rounds.first);
    outcome.times.insert("last delivery".to_owned(), rounds.last);
    outcome.times.insert("others' ping, calm".to_owned(), calm);
    outcome.times.insert("others' ping, meanwhile".to_owned(), busy);
    Ok(outcome)
}

struct Rounds {
    vendor: usize,
    many: usize,
    first: Times,
    last: Times,
}

impl Rounds {
    /// One context: offered to all, taken back, and all told so.
    fn play(&mut self, share: &mut Share, pings: &mut Pings, number: u64) -> anyhow::Result<()> {
        let id = id_of(share.plan.run, number);
        let began = Instant::now();
        share.crowd.send(self.vendor, &boop::create(&id));
        let (mut offered, mut over) = (0, 0);
        while over < self.many {
            ensure!(
                began.elapsed() < PATIENCE,
                "{offered} of {} were offered the context, {over} heard its end",
                self.many
            );
            let heard = share.look(LOOK.min(Duration::from_millis(1)))?;
            pings.hear(share, &heard);
            for (_, word) in &heard {
                match word {
                    Word::Offer(told) if *told == number => {
                        offered += 1;
                        if offered == 1 {
                            self.first.add(began.elapsed());
                        }
                        if offered == self.many {
                            self.last.add(began.elapsed());
                            share.crowd.send(self.vendor, &boop::cancel(&id));
                        }
                    }
                    Word::Over(told) if *told == number => over += 1,
                    Word::Lost => share.failed("session lost"),
                    _ => {}
                }
            }
            share.looked(heard);
        }
        Ok(())
    }
}
