//! One group: everything of a tenant that shares a partition with others but never touches them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{
    Ask, AskId, Audience, DeviceId, Epoch, GroupId, Hears, OperationId, Position, Principal, PrincipalId, Refusal,
    RequestKey, Role, Route, Taken, Tell,
};

use crate::Turn;
use crate::admission::{Parting, Single};
use crate::few::Few;
use crate::mailbox::Known;
use crate::operation::Operation;
use crate::port::Output;
use crate::presence::Device;
use crate::stream::Stream;

/// Everything of one tenant.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) sessions: Few<Route, Box<Session>>,
    /// Sessions that listen.
    pub(crate) listeners: BTreeSet<Route>,
    pub(crate) singles: Few<Box<str>, Box<Single>>,
    pub(crate) partings: BTreeMap<Route, Parting>,
    pub(crate) known: Few<PrincipalId, Known>,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) operations: BTreeMap<OperationId, Operation>,
    /// What is remembered under each key; a key may be used again and again.
    pub(crate) keys: BTreeSet<(RequestKey, OperationId)>,
    /// What makes good for earlier work, under the key of that.
    pub(crate) amends: BTreeSet<(RequestKey, OperationId)>,
    /// Operations without an outcome.
    pub(crate) running: BTreeSet<OperationId>,
    /// Those of them that some device had no room for.
    pub(crate) short: BTreeSet<OperationId>,
    pub(crate) stream: Stream,
}

/// One live connection that was let in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) epoch: Epoch,
    pub(crate) principal: Arc<Principal>,
    pub(crate) role: Role,
    pub(crate) device: Option<DeviceId>,
    pub(crate) single: Option<Box<str>>,
    /// How long its device counts as away afterwards.
    pub(crate) grace: std::time::Duration,
    pub(crate) serves: BTreeSet<Box<str>>,
    pub(crate) hears: Hears,
    /// It was told that another took its place; it commands nothing any more.
    pub(crate) displaced: bool,
}

impl Session {
    /// Whether its principal's outcomes are told here.
    pub(crate) fn hears_for(&self) -> bool {
        self.role == Role::Requester && self.hears == Hears::Principal
    }
}

impl Group {
    pub(crate) fn new(id: GroupId, start: Position) -> Self {
        Self {
            id,
            sessions: Few::new(),
            listeners: BTreeSet::new(),
            singles: Few::new(),
            partings: BTreeMap::new(),
            known: Few::new(),
            devices: BTreeMap::new(),
            operations: BTreeMap::new(),
            keys: BTreeSet::new(),
            amends: BTreeSet::new(),
            running: BTreeSet::new(),
            short: BTreeSet::new(),
            stream: Stream::new(start),
        }
    }

    /// Whether nothing is left that somebody could miss: whoever comes back finds the rest in the store.
    pub(crate) fn is_at_rest(&self) -> bool {
        // A name somebody waits for, counted takeovers, windows that have not slid empty and events that a listener may
        // come back for all keep it.
        self.sessions.is_empty()
            && self.singles.is_empty()
            && self.partings.is_empty()
            && self.known.is_empty()
            && self.devices.is_empty()
            && self.operations.is_empty()
            && self.stream.is_empty()
    }

    /// Sessions that are in, and those that wait to be let in.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Route> {
        let waiting = self.singles.values().filter_map(|single| single.newcomer());
        self.sessions.keys().copied().chain(waiting)
    }

    /// Whether memory still has an operation under that key.
    pub(crate) fn knows(&self, key: &RequestKey) -> bool {
        self.latest(key).is_some()
    }

    /// The latest operation memory has under that key.
    pub(crate) fn latest(&self, key: &RequestKey) -> Option<OperationId> {
        newest(&self.keys, key).next()
    }

    /// What makes good for work under that key, newest first.
    pub(crate) fn amends_for(&self, key: &RequestKey) -> impl Iterator<Item = &Operation> {
        newest(&self.amends, key).filter_map(|operation| self.operations.get(&operation))
    }

    /// The sessions news of a piece of work go to: those that wait for it; and its principal's newest, unless one of
    /// those hears for the principal.
    pub(crate) fn hearers(&self, operation: OperationId) -> Vec<Route> {
        let Some(work) = self.operations.get(&operation) else { return Vec::new() };
        let listens = |route: &&Route| self.sessions.get(*route).is_some_and(|session| !session.displaced);
        let mut hearers: Vec<Route> = work.waiters.iter().filter(listens).copied().collect();
        let hears = |route: &Route| self.sessions.get(route).is_some_and(|session| session.hears_for());
        if work.rules.audience == Audience::Principal && !hearers.iter().any(hears) {
            hearers.extend(self.reach(&work.requester));
        }
        hearers
    }

    /// The newest session that hears a principal's news.
    pub(crate) fn reach(&self, principal: &PrincipalId) -> Option<Route> {
        let fits = |session: &Session| !session.displaced && session.hears_for() && session.principal.id == *principal;
        let newest = self.sessions.iter().filter(|(_, session)| fits(session)).max_by_key(|(_, session)| session.epoch);
        newest.map(|(route, _)| *route)
    }

    /// The session, if it may still command.
    pub(crate) fn commanding(&self, route: Route, role: Role) -> Option<&Session> {
        self.sessions.get(&route).map(|session| &**session).filter(|session| !session.displaced && session.role == role)
    }
}

/// What a set has under a key, newest first.
fn newest(names: &BTreeSet<(RequestKey, OperationId)>, key: &RequestKey) -> impl Iterator<Item = OperationId> {
    let bound = |number| (key.clone(), OperationId::from_number(number));
    names.range(bound(0)..=bound(u64::MAX)).rev().map(|(_, operation)| *operation)
}

impl Turn<'_> {
    /// Answers an ask.
    pub(crate) fn answer(&mut self, to: Route, id: AskId, tell: Tell) {
        self.out.push(Output::Tell { to, ask: Some(id), tell });
    }

    /// Tells something by itself.
    pub(crate) fn tell(&mut self, to: Route, tell: Tell) {
        self.out.push(Output::Tell { to, ask: None, tell });
    }

    /// The next session's fence.
    pub(crate) fn next_epoch(&mut self) -> Epoch {
        *self.epochs += 1;
        Epoch { fence: self.fence, n: *self.epochs }
    }
}

/// Answers a session the partition no longer knows.
pub(crate) fn turn_away(from: Route, id: AskId, ask: &Ask, out: &mut Vec<Output>) {
    let tell = match ask {
        Ask::Admit(_) | Ask::Leave { .. } => return,
        Ask::Submit(submit) => Tell::Refused { key: submit.key.clone(), why: Refusal::Full },
        Ask::Cancel { key } => Tell::Refused { key: key.clone(), why: Refusal::NotFound },
        Ask::Answer(_) => Tell::Taken { operation: None, key: None, taken: Taken::NotYours },
        Ask::Serve { .. } => Tell::Serving,
        Ask::Listen { .. } => Tell::Listening { at: model::Position::default(), gap: true },
        Ask::Devices => Tell::Devices(Vec::new()),
        Ask::Look { .. } => Tell::Found(None),
    };
    out.push(Output::Tell { to: from, ask: Some(id), tell });
}
