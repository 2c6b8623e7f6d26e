//! Operations end to end: a requester asks, its performer answers at once, the requester hears the outcome. In BOOP a
//! vendor creates a context and its scanner shows a palm; in Modulus a till asks for a payment and its terminal takes it.
//! Each is stored before it is offered, and once more with its outcome before that is said.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::super::crowd::Ears;
use super::super::plan::{Outcome, pairs};
use super::super::times::Times;
use super::super::words::{Word, id_of};
use super::super::worker::{LOOK, Share};

/// Logins on their way at once.
const LOGINS: usize = 200;
/// How long what is still open at the end may take.
const LAST: Duration = Duration::from_secs(10);

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let keys = std::mem::take(&mut share.plan.keys);
    let pairs = pairs(&keys);
    ensure!(pairs.len() == share.plan.connections, "there are performers for {} requesters only", pairs.len());
    // A requester sits in an even seat, its performer in the next.
    let seats: Vec<_> = (0..).zip(pairs.iter().flat_map(|(requester, performer)| [*requester, *performer])).collect();
    let in_flight = std::mem::replace(&mut share.plan.in_flight, LOGINS);
    let logins = share.log_in(&seats, Ears::Open, 0)?;
    outcome.times.insert("login".to_owned(), logins);
    share.together("logged in")?;
    let mut work = Work {
        performers: pairs.iter().map(|(_, performer)| performer.subject.as_str()).collect(),
        over: false,
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
        work.listen(share)?;
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome.done = work.whole.count();
    // A performer that goes in the middle of its work is waited for, and busy for whoever comes next.
    work.over = true;
    while !work.begun.is_empty() && began.elapsed() < share.plan.span + LAST {
        work.listen(share)?;
    }
    work.begun.values().for_each(|_| share.failed("without an outcome in the end"));
    outcome.times.insert("operation".to_owned(), work.whole);
    outcome.times.insert("request to offer".to_owned(), work.offered);
    outcome.times.insert("answer to outcome".to_owned(), work.decided);
    Ok(outcome)
}

struct Work<'a> {
    performers: Vec<&'a str>,
    /// Nothing new is begun.
    over: bool,
    number: u64,
    /// What is open: its requester's seat, when it was asked for, when it was answered.
    begun: BTreeMap<u64, (usize, Instant, Option<Instant>)>,
    whole: Times,
    offered: Times,
    decided: Times,
}

impl Work<'_> {
    fn begin(&mut self, share: &mut Share, seat: usize) {
        if self.over {
            return;
        }
        self.number += 1;
        let id = id_of(share.plan.run, self.number);
        self.begun.insert(self.number, (seat, Instant::now(), None));
        share.crowd.send(seat, &share.plan.dialect.ask(self.performers[seat / 2], &id));
    }

    /// Takes what one look brings.
    fn listen(&mut self, share: &mut Share) -> anyhow::Result<()> {
        let heard = share.look(LOOK)?;
        for (seat, word) in &heard {
            self.hear(share, *seat, *word);
        }
        share.looked(heard);
        share.progress(self.whole.count())
    }

    fn hear(&mut self, share: &mut Share, seat: usize, word: Word) {
        match word {
            Word::Offer(number) => {
                let Some((_, asked, answered)) = self.begun.get_mut(&number) else { return };
                let now = Instant::now();
                self.offered.add(now - *asked);
                *answered = Some(now);
                share.crowd.send(seat, &share.plan.dialect.answer(&id_of(share.plan.run, number)));
            }
            Word::Outcome(number) => {
                let Some((seat, asked, answered)) = self.begun.remove(&number) else { return };
                match answered {
                    Some(answered) => {
                        self.whole.add(asked.elapsed());
                        self.decided.add(answered.elapsed());
                    }
                    None => share.failed("ended without an answer: is a limit reached?"),
                }
                self.begin(share, seat);
            }
            Word::Refused(number, status) => {
                let Some((seat, ..)) = self.begun.remove(&number) else { return };
                share.failed(status.map_or("failed".to_owned(), |status| format!("refused with {status}")));
                self.begin(share, seat);
            }
            Word::Lost => share.failed("session lost"),
            Word::Closed(code) => share.failed(format!("closed with {code}")),
            Word::Error => share.failed("error about no operation"),
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
