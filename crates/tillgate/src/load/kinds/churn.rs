//! Sessions that come, work once and go, again and again: what of them stays in the server's memory.

use std::time::Instant;

use anyhow::ensure;

use super::super::crowd::Ears;
use super::super::plan::{Key, Outcome};
use super::super::times::Times;
use super::super::words::Word;
use super::super::worker::{LOOK, Share};
use super::requesters;

pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    let keys = requesters(share);
    let seats = share.plan.in_flight.min(keys.len());
    ensure!(seats > 0, "there are no requesters' keys");
    // Every seat has keys of its own, so that nobody displaces anybody.
    let keys_of_a_seat = keys.len() / seats;
    let key = |seat: usize, cycle: usize| -> &Key { &keys[seat * keys_of_a_seat + cycle % keys_of_a_seat] };
    share.together("ready")?;
    let mut cycles = vec![0_usize; seats];
    let mut since = vec![Instant::now(); seats];
    let (mut begun, mut done) = (0, 0);
    let mut times = Times::default();
    let began = Instant::now();
    let ping = share.plan.dialect.ping();
    let most = share.plan.count;
    let mut idle: Vec<usize> = (0..seats).rev().collect();
    while done < most && began.elapsed() < share.plan.span {
        while begun < most
            && let Some(seat) = idle.pop()
        {
            since[seat] = Instant::now();
            match share.crowd.connect(seat, key(seat, cycles[seat]), Ears::Open) {
                Ok(()) => begun += 1,
                Err(error) => {
                    share.failed(format!("connect: {error}"));
                    idle.push(seat);
                    break;
                }
            }
        }
        let heard = share.look(LOOK)?;
        for (seat, word) in &heard {
            let seat = *seat;
            match word {
                Word::Opened => {
                    let login = share.plan.dialect.login(key(seat, cycles[seat]));
                    share.crowd.send(seat, login.as_ref().unwrap_or(&ping));
                }
                Word::Authenticated => share.crowd.send(seat, &ping),
                Word::Pong => share.crowd.leave(seat),
                Word::Lost => {
                    times.add(since[seat].elapsed());
                    cycles[seat] += 1;
                    done += 1;
                    idle.push(seat);
                }
                Word::NotOpened(status) => share.failed(format!("upgrade answered {status}")),
                Word::Closed(1000) => {}
                Word::Closed(code) => share.failed(format!("closed with {code}")),
                Word::Error => share.failed("error instead of an answer"),
                Word::Offer(_) | Word::Over(_) | Word::Outcome(_) | Word::Refused(..) | Word::Taken | Word::Other => {}
            }
        }
        share.looked(heard);
        share.progress(done)?;
    }
    let mut outcome = Outcome { done, seconds: began.elapsed().as_secs_f64(), ..Outcome::default() };
    outcome.times.insert("connect, login, ping, goodbye".to_owned(), times);
    Ok(outcome)
}
