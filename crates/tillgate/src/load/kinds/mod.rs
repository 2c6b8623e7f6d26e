//! The kinds of load, a file each; all of them work with the same share of sockets and keys.

mod churn;
mod connecting;
mod fanout;
mod idle;
mod operations;
mod pings;
mod requests;
mod slow;

use super::plan::{Key, Kind, Outcome, Side};
use super::worker::Share;

/// Does the plan's kind of load.
pub(super) fn run(share: &mut Share) -> anyhow::Result<Outcome> {
    match share.plan.kind {
        Kind::Idle => idle::run(share),
        Kind::Requests => requests::run(share),
        Kind::Connect => connecting::storm(share),
        Kind::Reconnect => connecting::again(share),
        Kind::Fanout => fanout::run(share),
        Kind::Operations | Kind::Payments => operations::run(share),
        Kind::Slow => slow::run(share),
        Kind::Churn => churn::run(share),
    }
}

/// The first keys of that side, as many as there are seats, numbered from `first`.
fn seats(keys: &[Key], first: usize, many: usize) -> Vec<(usize, &Key)> {
    (first..).zip(keys.iter().take(many)).collect()
}

/// The requesters' keys of a share.
fn requesters(share: &Share) -> Vec<Key> {
    share.keys(Side::Requester)
}
