//! Peers that ask and never read, beside others who do: what the others notice.

use std::time::{Duration, Instant};

use super::super::boop;
use super::super::crowd::Ears;
use super::super::plan::{Key, Outcome};
use super::super::times::Times;
use super::super::worker::{LOOK, Share};
use super::pings::Pings;
use super::{seats, vendors};

/// Logins on their way at once.
const LOGINS: usize = 200;
/// How often each of the others pings.
const PACE: Duration = Duration::from_millis(10);
/// Bytes a slow peer tries to have on their way.
const EAGER: usize = 64 * 1024;

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let keys = vendors(share);
    let (many, slow) = (share.plan.connections, share.plan.extra);
    share.plan.in_flight = LOGINS;
    share.log_in(&seats(&keys, 0, many), Ears::Open, 0)?;
    let mut pings = Pings::new(many, PACE);
    (0..many).for_each(|seat| pings.begin(share, seat, 1));
    share.together("calm")?;
    let calm = spend(share, &mut pings, &[])?;
    let slow_keys: Vec<Key> = keys.iter().skip(many).take(slow).cloned().collect();
    let slow_seats = seats(&slow_keys, many, slow);
    share.together("slow peers come")?;
    for (seat, key) in &slow_seats {
        share.crowd.connect(*seat, super::super::worker::path_of(key), Ears::Shut)?;
        share.crowd.send(*seat, &super::super::worker::login_of(key));
    }
    let busy = spend(share, &mut pings, &slow_seats)?;
    outcome.done = calm.count() + busy.count();
    outcome.seconds = share.plan.span.as_secs_f64() * 2.0;
    let cut = slow_seats.iter().filter(|(seat, _)| !share.crowd.has(*seat)).count();
    outcome.causes.insert("slow peers the server closed".to_owned(), cut as u64);
    outcome.times.insert("ping, calm".to_owned(), calm);
    outcome.times.insert("ping, beside slow peers".to_owned(), busy);
    Ok(outcome)
}

/// The readers ping; the slow ones send as much as is taken from them.
fn spend(share: &mut Share, pings: &mut Pings, slow: &[(usize, &Key)]) -> anyhow::Result<Times> {
    pings.restart();
    let burst = boop::ping().repeat(256);
    let began = Instant::now();
    while began.elapsed() < share.plan.span {
        for (seat, _) in slow {
            if share.crowd.waiting(*seat) < EAGER {
                share.crowd.send(*seat, &burst);
            }
        }
        let heard = share.look(LOOK.min(Duration::from_millis(1)))?;
        pings.hear(share, &heard);
        share.looked(heard);
        share.progress(pings.answered)?;
    }
    Ok(std::mem::take(&mut pings.times))
}
