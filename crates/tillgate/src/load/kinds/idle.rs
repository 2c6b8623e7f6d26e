//! Sessions that log in and then only ping; and what is left of one large message to each.

use std::time::{Duration, Instant};

use super::super::crowd::Ears;
use super::super::plan::Outcome;
use super::super::words::Word;
use super::super::worker::{LOOK, Share};
use super::{requesters, seats};

/// How often clients ping.
const BEAT: Duration = Duration::from_secs(30);
/// Large messages on their way at once.
const LARGE_AT_ONCE: usize = 64;

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let keys = requesters(share);
    let many = share.plan.connections;
    let logins = share.log_in(&seats(&keys, 0, many), Ears::Open, 0)?;
    outcome.times.insert("login".to_owned(), logins);
    outcome.done = many as u64;
    share.together("idle")?;
    rest(share, share.plan.span)?;
    if share.plan.extra > 0 {
        share.together("rested")?;
        large(share, many)?;
        share.together("large")?;
    }
    outcome.seconds = share.plan.span.as_secs_f64();
    Ok(outcome)
}

/// Pings now and then, for so long.
fn rest(share: &mut Share, span: Duration) -> anyhow::Result<()> {
    let (began, mut beat) = (Instant::now(), Instant::now());
    while began.elapsed() < span {
        if beat.elapsed() >= BEAT {
            beat = Instant::now();
            let ping = share.plan.dialect.ping();
            (0..share.plan.connections).for_each(|seat| share.crowd.send(seat, &ping));
        }
        let heard = share.look(LOOK)?;
        lost(share, &heard);
        share.looked(heard);
        share.progress(began.elapsed().as_secs())?;
    }
    Ok(())
}

/// One large message from each session, and its answer.
fn large(share: &mut Share, many: usize) -> anyhow::Result<()> {
    let message = share.plan.dialect.large(share.plan.extra);
    let (mut next, mut answered) = (0, 0);
    while answered < many {
        while next < many && next - answered < LARGE_AT_ONCE {
            share.crowd.send(next, &message);
            next += 1;
        }
        let heard = share.look(LOOK)?;
        let gone = lost(share, &heard);
        answered += gone + heard.iter().filter(|(_, word)| *word == Word::Error).count();
        share.looked(heard);
        share.progress(answered as u64)?;
    }
    Ok(())
}

/// Counts sessions that ended though they should not have.
fn lost(share: &mut Share, heard: &[(usize, Word)]) -> usize {
    let gone = heard.iter().filter(|(_, word)| *word == Word::Lost).count();
    (0..gone).for_each(|_| share.failed("session lost"));
    gone
}
