//! Authenticated pings, so many on their way in every session all the time.

use std::time::{Duration, Instant};

use super::super::crowd::Ears;
use super::super::plan::Outcome;
use super::super::worker::{LOOK, Share};
use super::pings::Pings;
use super::{requesters, seats};

/// How long it runs before it is measured.
const WARM: Duration = Duration::from_millis(500);
/// Logins on their way at once.
const LOGINS: usize = 200;

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let keys = requesters(share);
    let (many, in_flight) = (share.plan.connections, share.plan.in_flight);
    share.plan.in_flight = LOGINS;
    let logins = share.log_in(&seats(&keys, 0, many), Ears::Open, 0)?;
    outcome.times.insert("login".to_owned(), logins);
    share.together("logged in")?;
    let mut pings = Pings::new(share.plan.dialect, many, Duration::ZERO);
    (0..many).for_each(|seat| pings.begin(share, seat, in_flight));
    spend(share, &mut pings, WARM)?;
    pings.restart();
    share.together("warm")?;
    pings.restart();
    let took = spend(share, &mut pings, share.plan.span)?;
    outcome.done = pings.answered;
    outcome.seconds = took.as_secs_f64();
    outcome.times.insert("ping".to_owned(), pings.times);
    Ok(outcome)
}

/// Goes on for so long, or until the count is reached; how long it really was.
fn spend(share: &mut Share, pings: &mut Pings, span: Duration) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let most = if share.plan.count == 0 { u64::MAX } else { share.plan.count };
    while began.elapsed() < span && pings.answered < most {
        let heard = share.look(LOOK)?;
        pings.hear(share, &heard);
        share.looked(heard);
        share.progress(pings.answered)?;
    }
    Ok(began.elapsed())
}
