//! Storms of connections: everybody for the first time, and everybody again after all were cut at once.

use std::time::Instant;

use super::super::crowd::Ears;
use super::super::plan::Outcome;
use super::super::worker::Share;
use super::{requesters, seats};

/// Everybody connects and logs in.
pub(super) fn storm(share: &mut Share) -> anyhow::Result<Outcome> {
    share.together("ready")?;
    let keys = requesters(share);
    let began = Instant::now();
    let many = share.plan.connections;
    let logins = share.log_in(&seats(&keys, 0, many), Ears::Open, 0)?;
    let mut outcome = Outcome { done: many as u64, seconds: began.elapsed().as_secs_f64(), ..Outcome::default() };
    outcome.times.insert("connect and login".to_owned(), logins);
    Ok(outcome)
}

/// Everybody is in; all are cut; everybody comes back.
pub(super) fn again(share: &mut Share) -> anyhow::Result<Outcome> {
    let keys = requesters(share);
    let many = share.plan.connections;
    let everybody = seats(&keys, 0, many);
    let first = share.log_in(&everybody, Ears::Open, 0)?;
    share.together("logged in")?;
    (0..many).for_each(|seat| share.crowd.cut(seat));
    let began = Instant::now();
    let again = share.log_in(&everybody, Ears::Open, 0)?;
    let mut outcome = Outcome { done: many as u64, seconds: began.elapsed().as_secs_f64(), ..Outcome::default() };
    outcome.times.insert("first login".to_owned(), first);
    outcome.times.insert("login again".to_owned(), again);
    Ok(outcome)
}
