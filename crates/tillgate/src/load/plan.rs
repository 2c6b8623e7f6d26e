//! What the processes of a run say to each other, one JSON object a line: the plan down, news and results up.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::times::Times;

/// What is done under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Idle,
    Requests,
    Connect,
    Reconnect,
    Fanout,
    Operations,
    Payments,
    Slow,
    Churn,
}

/// One key of the files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) role: Side,
    /// The name it logs in with, or is known by.
    pub(super) subject: String,
    pub(super) group: String,
    pub(super) secret: String,
}

/// Which end of an operation a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    Requester,
    Performer,
}

/// Who works for whom: in every group the first requester and the first performer, the second and the second, and on.
pub(super) fn pairs(keys: &[Key]) -> Vec<(&Key, &Key)> {
    let mut performers: BTreeMap<&str, VecDeque<&Key>> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.role == Side::Performer) {
        performers.entry(&key.group).or_default().push_back(key);
    }
    let requesters = keys.iter().filter(|key| key.role == Side::Requester);
    requesters.filter_map(|key| Some((key, performers.get_mut(&*key.group)?.pop_front()?))).collect()
}

/// One process's share of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) dialect: Dialect,
    pub(super) process: u8,
    pub(super) server: SocketAddr,
    pub(super) host: String,
    /// Addresses of this machine to connect from.
    pub(super) addresses: u8,
    pub(super) cpu: Option<usize>,
    pub(super) keys: Vec<Key>,
    /// Sockets; pairs of them in `operations` and `payments`.
    pub(super) connections: usize,
    /// Connects or requests on their way at once.
    pub(super) in_flight: usize,
    /// How often; 0 for as often as fits.
    pub(super) count: u64,
    pub(super) span: Duration,
    /// `idle`: bytes of a message to every session. `slow`: how many peers do not read. `fanout`: how many others ping.
    pub(super) extra: usize,
    /// Sets the ids of this run apart from those of earlier ones.
    pub(super) run: u64,
}

/// What a process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum News {
    /// So much is done, so many sockets are open.
    Progress { done: u64, open: usize },
    /// Everything is prepared, or one part of several is done: waits for [`GO`].
    Waiting { part: String },
    /// The end.
    Done(Box<Outcome>),
    /// It could not be done.
    Failed { why: String },
}

/// What a waiting process is told.
pub(super) const GO: &str = "go";

/// What came of a share, or of all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) done: u64,
    pub(super) failed: u64,
    /// How long it was measured, in seconds.
    pub(super) seconds: f64,
    /// What took how long.
    pub(super) times: BTreeMap<String, Times>,
    /// Why what failed did.
    pub(super) causes: BTreeMap<String, u64>,
}

impl Outcome {
    /// The outcome of shares that ran at the same time.
    pub(super) fn merge(&mut self, other: Self) {
        self.done += other.done;
        self.failed += other.failed;
        self.seconds = self.seconds.max(other.seconds);
        for (what, times) in other.times {
            self.times.entry(what).or_default().merge(&times);
        }
        for (cause, count) in other.causes {
            *self.causes.entry(cause).or_default() += count;
        }
    }
}
