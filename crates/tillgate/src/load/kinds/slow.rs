//! Peers that ask and never read, beside others who do: what the others notice.

use std::time::{Duration, Instant};

use super::super::boop;
use super::super::crowd::Ears;
use super::super::plan::{Key, Outcome};
use super::super::times::Times;
use super::super::worker::{LOOK, Share};
use super::pings::Pings;
use super::{requesters, seats};

/// Logins on their way at once.
const LOGINS: usize = 200;
/// How often each of the others pings.
const PACE: Duration = Duration::from_millis(10);
/// Bytes a slow peer tries to have on their way.
const EAGER: usize = 16 * 1024;
/// Bytes of the id each of its frames names, which comes back twice in the answer.
const ID_BYTES: usize = 128;
/// How long the slow ones ask at least.
const LEAST: Duration = Duration::from_secs(1);

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let keys = requesters(share);
    let (many, slow) = (share.plan.connections, share.plan.extra);
    share.plan.in_flight = LOGINS;
    share.log_in(&seats(&keys, 0, many), Ears::Open, 0)?;
    let mut pings = Pings::new(share.plan.dialect, many, PACE);
    (0..many).for_each(|seat| pings.begin(share, seat, 1));
    share.together("calm")?;
    let calm = spend(share, &mut pings, &[], Until::TheSpanIsOver)?;
    let slow_keys: Vec<Key> = keys.iter().skip(many).take(slow).cloned().collect();
    let slow_seats = seats(&slow_keys, many, slow);
    share.together("slow peers come")?;
    share.log_in(&slow_seats, Ears::Shut, 0)?;
    let filling = spend(share, &mut pings, &slow_seats, Until::AllAreFull)?;
    share.together("slow peers are full")?;
    let full = spend(share, &mut pings, &slow_seats, Until::TheSpanIsOver)?;
    outcome.done = calm.count() + filling.count() + full.count();
    outcome.seconds = share.plan.span.as_secs_f64() * 3.0;
    let cut = slow_seats.iter().filter(|(seat, _)| !share.crowd.has(*seat)).count();
    outcome.causes.insert("slow peers the server closed".to_owned(), cut as u64);
    outcome.times.insert("ping, calm".to_owned(), calm);
    outcome.times.insert("ping, while slow peers ask".to_owned(), filling);
    outcome.times.insert("ping, while they are full".to_owned(), full);
    Ok(outcome)
}

/// What ends a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    TheSpanIsOver,
    /// The server takes nothing more from any of the slow ones, or has closed them; or the span is over.
    AllAreFull,
}

/// The readers ping; the slow ones send as much as is taken from them.
fn spend(share: &mut Share, pings: &mut Pings, slow: &[(usize, &Key)], until: Until) -> anyhow::Result<Times> {
    pings.restart();
    let burst = boop::cancel(&"x".repeat(ID_BYTES)).repeat(16);
    let began = Instant::now();
    while began.elapsed() < share.plan.span {
        let mut moving = 0;
        for (seat, _) in slow {
            if share.crowd.has(*seat) && share.crowd.waiting(*seat) < EAGER {
                moving += 1;
                share.crowd.send(*seat, &burst);
            }
        }
        if until == Until::AllAreFull && moving == 0 && began.elapsed() > LEAST {
            break;
        }
        let heard = share.look(LOOK.min(Duration::from_millis(1)))?;
        pings.hear(share, &heard);
        share.looked(heard);
        share.progress(pings.answered)?;
    }
    Ok(std::mem::take(&mut pings.times))
}
