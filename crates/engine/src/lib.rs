//! One partition as one pure value: sessions and takeover, presence, operations with exactly one outcome,
//! mailboxes, numbered events and lent limits.
//!
//! It has never heard of JSON, sockets, stores or vendors. It is told what happens and when; it says what
//! follows. What it says must not leave before the writes it said first are durable: the node sees to that.

mod admission;
pub mod bounds;
mod few;
mod group;
mod mailbox;
mod operation;
mod performing;
mod port;
mod presence;
mod stream;
mod timers;
mod work;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use model::{
    Ask, AskId, DeviceId, DeviceRow, DeviceSeen, Dialect, Epoch, Fence, GroupId, Loaded, Now, OperationId,
    OperationRow, Position, RequestKey, Route, Rules, Sight, Target, Timestamp, Verdict, Which,
};

pub use port::{Input, Output};

use group::Group;
use timers::{Timer, Timers};

/// One partition of the world, with one writer: whoever holds this value.
pub struct Partition {
    id: model::Partition,
    fence: Fence,
    groups: BTreeMap<GroupId, Box<Group>>,
    routes: BTreeMap<Route, GroupId>,
    places: BTreeMap<OperationId, GroupId>,
    timers: Timers,
    last_operation: Option<OperationId>,
    epochs: u64,
    /// The furthest any group's events were counted that has left memory since: whoever comes back counts on from here.
    events: u64,
    /// It has had a turn.
    awake: bool,
    rules: Rulebook,
    /// What the store remembers, until the first turn.
    remembered: Vec<DeviceRow>,
}

/// Says how a kind of a dialect's work behaves; none when there is no such kind.
pub type Rulebook = Arc<dyn Fn(Dialect, &str) -> Option<Arc<Rules>> + Send + Sync>;

/// What one input may touch besides its group.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) partition: model::Partition,
    pub(crate) fence: Fence,
    pub(crate) timers: &'a mut Timers,
    pub(crate) last_operation: &'a mut Option<OperationId>,
    pub(crate) epochs: &'a mut u64,
    pub(crate) routes: &'a mut BTreeMap<Route, GroupId>,
    pub(crate) places: &'a mut BTreeMap<OperationId, GroupId>,
    pub(crate) rules: &'a Rulebook,
    pub(crate) out: &'a mut Vec<Output>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("id", &self.id)
            .field("fence", &self.fence)
            .field("groups", &self.groups)
            .field("routes", &self.routes)
            .field("places", &self.places)
            .field("timers", &self.timers)
            .field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}

impl Partition {
    /// A partition as its new owner finds it in the store. `rules` says how each kind of operation behaves.
    #[must_use]
    pub fn new(loaded: Loaded, rules: Rulebook) -> Self {
        let mut partition = Self {
            id: loaded.partition,
            fence: loaded.fence,
            groups: BTreeMap::new(),
            routes: BTreeMap::new(),
            places: BTreeMap::new(),
            timers: Timers::default(),
            last_operation: loaded.newest.map(|newest| OperationId::next(loaded.partition, newest.millis() + 1, None)),
            epochs: 0,
            events: 0,
            awake: false,
            rules: Arc::clone(&rules),
            remembered: loaded.devices,
        };
        for row in loaded.operations {
            let rules = rules(row.dialect, &row.kind);
            partition.last_operation = partition.last_operation.max(Some(row.id));
            partition.places.insert(row.id, row.group.clone());
            let (start, group) = (partition.start(), row.group.clone());
            let timers = &mut partition.timers;
            partition
                .groups
                .entry(group)
                .or_insert_with_key(|id| Box::new(Group::new(id.clone(), start)))
                .restore(row, rules, timers);
        }
        let mut owed = loaded.mail;
        owed.sort_by_key(|mail| (mail.until, mail.operation));
        for mail in owed {
            let start = partition.start();
            partition
                .groups
                .entry(mail.group.clone())
                .or_insert_with_key(|id| Box::new(Group::new(id.clone(), start)))
                .restore_mail(mail, &mut partition.timers);
        }
        partition
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        if !std::mem::replace(&mut self.awake, true) {
            // The owner before may have used ids of this very millisecond for work that was never stored:
            // every owner starts in a millisecond of its own.
            let millis = now.at.millis() + u64::from(self.fence.0 % 1_000);
            let used = OperationId::next(self.id, millis, self.last_operation);
            self.last_operation = Some(used);
            self.wake_up(now);
        }
        self.expire(now, out);
        match input {
            Input::Ask { from, id, ask, earlier } => self.ask(now, from, id, ask, earlier, out),
            Input::Parted { from, alive } => {
                if let Some(id) = self.routes.get(&from).cloned() {
                    self.with(&id, now, out, |group, turn| group.parted(turn, from, alive));
                }
            }
            Input::Settled { operation, settled } => {
                if let Some(id) = self.places.get(&operation).cloned() {
                    self.with(&id, now, out, |group, turn| group.settled(turn, operation, settled));
                }
            }
            Input::Undelivered { operation } => {
                if let Some(id) = self.places.get(&operation).cloned() {
                    self.with(&id, now, out, |group, turn| group.undelivered(turn, operation));
                }
            }
            Input::TakeBack { operation } => {
                if let Some(id) = self.places.get(&operation).cloned() {
                    self.with(&id, now, out, |group, turn| group.take_back(turn, operation));
                }
            }
            Input::Wake => {}
        }
    }

    /// The devices of the groups somebody may see, by group and name, those that come after `after`.
    pub fn devices<'a>(
        &'a self,
        sight: &'a Sight,
        after: Option<&'a (GroupId, DeviceId)>,
    ) -> impl Iterator<Item = DeviceSeen> + 'a {
        let groups = match after {
            Some((group, _)) => self.groups.range(group..),
            None => self.groups.range::<GroupId, _>(..),
        };
        groups.filter(move |(id, _)| sight.sees(id)).flat_map(move |(id, group)| {
            let begin = match after {
                Some((begun, device)) if begun == id => Bound::Excluded(device),
                Some(_) | None => Bound::Unbounded,
            };
            let devices = group.devices.range((begin, Bound::Unbounded));
            devices.map(move |(name, device)| DeviceSeen { group: id.clone(), state: device.state(name) })
        })
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Whose partition this is: writes under an older fence are refused.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// Everybody who must be told when the partition starts again.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        self.groups.values().flat_map(|group| group.routes()).collect()
    }

    /// The key whose stored operation must be handed in with this ask, because memory no longer knows it.
    #[must_use]
    pub fn wants_earlier<'a>(&self, from: Route, ask: &'a Ask) -> Option<(GroupId, &'a RequestKey)> {
        let key = match ask {
            Ask::Submit(submit) if submit.rules.durability == model::Durability::Durable => &submit.key,
            Ask::Answer(model::Answer { which: Which::Key(key), verdict }) => match verdict {
                Verdict::Started | Verdict::NotStarted | Verdict::Note(_) => return None,
                Verdict::Evidence(_) | Verdict::Completed(_) | Verdict::Declined(_) | Verdict::Failed(_) => key,
            },
            Ask::Submit(_)
            | Ask::Answer(_)
            | Ask::Admit(_)
            | Ask::Leave { .. }
            | Ask::Cancel { .. }
            | Ask::Serve { .. }
            | Ask::Listen { .. }
            | Ask::Devices => return None,
            // The store knows more of it than memory does.
            Ask::Look { key } => return self.routes.get(&from).map(|group| (group.clone(), key)),
        };
        let group = self.routes.get(&from)?;
        if self.groups.get(group).is_some_and(|group| group.knows(key)) { None } else { Some((group.clone(), key)) }
    }

    fn ask(
        &mut self,
        now: Now,
        from: Route,
        id: AskId,
        ask: Ask,
        earlier: Option<Box<OperationRow>>,
        out: &mut Vec<Output>,
    ) {
        let group = match &ask {
            Ask::Admit(admit) => admit.principal.group.clone(),
            Ask::Leave { .. }
            | Ask::Submit(_)
            | Ask::Cancel { .. }
            | Ask::Answer(_)
            | Ask::Serve { .. }
            | Ask::Listen { .. }
            | Ask::Devices
            | Ask::Look { .. } => match self.routes.get(&from) {
                Some(group) => group.clone(),
                // The session was let go before its ask came: its close is on the way.
                None => return group::turn_away(from, id, &ask, out),
            },
        };
        let elsewhere = matches!(&ask, Ask::Submit(submit) if self.is_elsewhere(&group, &submit.target));
        self.with(&group, now, out, |group, turn| match ask {
            Ask::Admit(admit) => group.admit(turn, from, id, *admit),
            Ask::Leave { windows } => group.leave(turn, from, windows),
            Ask::Submit(submit) => group.submit(turn, from, id, *submit, earlier, elsewhere),
            Ask::Cancel { key } => group.cancel(turn, from, id, key),
            Ask::Answer(answer) => group.answer(turn, from, id, answer, earlier),
            Ask::Serve { names } => group.serve(turn, from, id, names),
            Ask::Listen { since } => group.listen(turn, from, id, since),
            Ask::Devices => group.list_devices(turn, from, id),
            Ask::Look { key } => group.look(turn, from, id, &key, earlier),
        });
    }

    /// Whether a target names a connection of another group.
    fn is_elsewhere(&self, group: &GroupId, target: &Target) -> bool {
        let Target::Device(name) = target else { return false };
        let Some((partition, epoch)) = Epoch::parse_connection(name.as_str()) else { return false };
        let others = || self.groups.iter().any(|(id, other)| id != group && other.has_session(epoch));
        partition != self.id || others()
    }

    /// What only the first turn can do, because it knows the time.
    fn wake_up(&mut self, now: Now) {
        let start = self.start();
        for row in std::mem::take(&mut self.remembered) {
            let id = row.group.clone();
            let group = self.groups.entry(id.clone()).or_insert_with(|| Box::new(Group::new(id, start)));
            group.restore_device(row, now, &mut self.timers);
        }
        for group in self.groups.values_mut() {
            group.hold_restored(now.at, &mut self.timers);
        }
    }

    fn expire(&mut self, now: Now, out: &mut Vec<Output>) {
        while let Some(timer) = self.timers.pop(now.at) {
            match timer {
                Timer::Handover(id, name) => self.with(&id, now, out, |group, turn| group.hand_over(turn, &name)),
                Timer::Damping(id, name) => self.with(&id, now, out, |group, turn| group.forget_takeovers(turn, &name)),
                Timer::Grace(id, device) => self.with(&id, now, out, |group, turn| group.grace_over(turn, &device)),
                Timer::Operation(id, operation) => {
                    self.with(&id, now, out, |group, turn| group.operation_due(turn, operation));
                }
                Timer::Mail(id, principal) => self.with(&id, now, out, |group, turn| group.mail_due(turn, &principal)),
                Timer::Windows(id, principal) => {
                    self.with(&id, now, out, |group, turn| group.windows_due(turn, &principal));
                }
                Timer::Events(id) => self.with(&id, now, out, |group, turn| group.events_due(turn)),
                Timer::Parting(route) => {
                    if let Some(id) = self.routes.get(&route).cloned() {
                        self.with(&id, now, out, |group, turn| group.parted(turn, route, false));
                    }
                }
            }
        }
    }

    /// Where a group's events start to be counted: no place its listeners may have heard of is given twice.
    const fn start(&self) -> Position {
        Position { fence: self.fence, n: self.events }
    }

    /// Runs one step of a group, which is made when it is new and leaves memory when nothing is left in it.
    fn with(&mut self, id: &GroupId, now: Now, out: &mut Vec<Output>, step: impl FnOnce(&mut Group, &mut Turn<'_>)) {
        let (fence, start) = (self.fence, self.start());
        let group = self.groups.entry(id.clone()).or_insert_with(|| Box::new(Group::new(id.clone(), start)));
        let mut turn = Turn {
            now,
            partition: self.id,
            fence,
            timers: &mut self.timers,
            last_operation: &mut self.last_operation,
            epochs: &mut self.epochs,
            routes: &mut self.routes,
            places: &mut self.places,
            rules: &self.rules,
            out,
        };
        step(group, &mut turn);
        if group.is_at_rest() {
            self.events = self.events.max(group.stream.at().n);
            self.groups.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    /// What a session, a device and an operation cost in rows of their own, beside what they point to.
    #[test]
    fn rows_stay_small() {
        let sizes = [
            ("session", size_of::<crate::group::Session>(), 104),
            ("device", size_of::<crate::presence::Device>(), 120),
            ("operation", size_of::<crate::operation::Operation>(), 400),
            ("timer", size_of::<crate::timers::Timer>(), 40),
        ];
        for (row, size, most) in sizes {
            println!("{row}: {size} bytes, at most {most}");
            assert!(size <= most, "a {row} takes {size} bytes, more than {most}");
        }
    }
}
