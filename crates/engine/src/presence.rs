//! Devices: who can be given work now. Derived from sessions and grace, never stored as truth.

use std::collections::BTreeSet;

use model::{
    AskId, Capacity, DeviceId, DeviceRow, DeviceState, Epoch, Happening, Now, Opaque, OperationId, Partition, Presence,
    Refusal, Route, Target, Tell, Timestamp, Wall, Write,
};

use crate::group::{Group, Session};
use crate::port::Output;
use crate::timers::{Timer, Timers};
use crate::{Turn, bounds};

/// A performer as the outside knows it.
#[derive(Debug)]
pub(crate) struct Device {
    /// Whom to tell; none while it is handed over from one session to the next.
    pub(crate) session: Option<Route>,
    pub(crate) epoch: Epoch,
    pub(crate) presence: Presence,
    /// Running work it has been offered.
    pub(crate) load: BTreeSet<OperationId>,
    /// When its session was let in.
    since: Wall,
    /// When it last said something about work, or came.
    pub(crate) active: Wall,
    /// What the dialect wants to show of it, until it is offline.
    facts: Opaque,
}

impl Device {
    /// The session work can be delivered to now.
    pub(crate) const fn online(&self) -> Option<Route> {
        match self.presence {
            Presence::Online => self.session,
            Presence::Away | Presence::Offline => None,
        }
    }

    /// As its group sees it.
    pub(crate) fn state(&self, name: &DeviceId) -> DeviceState {
        DeviceState {
            device: name.clone(),
            presence: self.presence,
            epoch: (self.epoch != Epoch::default()).then_some(self.epoch),
            since: self.since,
            active: self.active,
            facts: self.facts.clone(),
        }
    }
}

impl Group {
    /// A performer's session was let in.
    pub(crate) fn device_came(&mut self, turn: &mut Turn<'_>, from: Route, id: DeviceId, epoch: Epoch, facts: Opaque) {
        let operations = &self.operations;
        let has_it = |operation: &&OperationId| operations.get(operation).is_some_and(|work| work.may_have(&id));
        let load: BTreeSet<OperationId> = self.running.iter().filter(has_it).copied().collect();
        let wall = turn.now.wall;
        let fresh = || Device {
            session: None,
            epoch,
            presence: Presence::Offline,
            load: BTreeSet::new(),
            since: wall,
            active: wall,
            facts: Opaque::new(),
        };
        let device = self.devices.entry(id.clone()).or_insert_with(fresh);
        device.session = Some(from);
        device.epoch = epoch;
        device.presence = Presence::Online;
        device.load.extend(load);
        (device.since, device.active, device.facts) = (wall, wall, facts);
        turn.timers.set(Timer::Grace(self.id.clone(), id.clone()), None);
        self.seen(turn, from, &id);
        self.happened(turn, Happening::Presence { device: id.clone(), presence: Presence::Online, epoch });
        self.resume(turn, &id);
        self.offer_waiting(turn);
    }

    /// A session is over: its device is away or offline, its work held, failed, cancelled or left to others.
    pub(crate) fn session_ended(&mut self, turn: &mut Turn<'_>, session: &Session) {
        if session.hears_for() && !self.is_here(&session.principal.id) {
            self.requester_lost(turn, &session.principal.id);
        }
        let Some(id) = &session.device else { return };
        self.write_seen(turn, session, id);
        let Some(device) = self.devices.get_mut(id) else { return };
        if device.epoch != session.epoch {
            // A late end of an older session never erases the newer one.
            return;
        }
        device.session = None;
        let (presence, until) = if session.grace.is_zero() {
            (Presence::Offline, None)
        } else {
            (Presence::Away, Some(turn.now.at.after(session.grace)))
        };
        device.presence = presence;
        if presence == Presence::Offline {
            device.facts = Opaque::new();
        }
        let epoch = device.epoch;
        turn.timers.set(Timer::Grace(self.id.clone(), id.clone()), until);
        self.happened(turn, Happening::Presence { device: id.clone(), presence, epoch });
        self.performer_lost(turn, id);
        self.retire(turn, id);
    }

    /// The grace is over.
    pub(crate) fn grace_over(&mut self, turn: &mut Turn<'_>, id: &DeviceId) {
        let Some(device) = self.devices.get_mut(id) else { return };
        match device.presence {
            Presence::Online => {}
            Presence::Away => {
                device.presence = Presence::Offline;
                device.facts = Opaque::new();
                let epoch = device.epoch;
                self.happened(turn, Happening::Presence { device: id.clone(), presence: Presence::Offline, epoch });
                self.retire(turn, id);
            }
            Presence::Offline => self.forget_device(id),
        }
    }

    /// A device the store remembers from before, as long as there is room for it.
    pub(crate) fn restore_device(&mut self, row: DeviceRow, now: Now, timers: &mut Timers) {
        if self.devices.len() >= bounds::DEVICES_LISTED && !self.devices.contains_key(&row.device) {
            return;
        }
        let seen = now.wall_at(row.last_seen_at);
        self.devices.entry(row.device.clone()).or_insert_with(|| Device {
            session: None,
            epoch: Epoch::default(),
            presence: Presence::Offline,
            load: BTreeSet::new(),
            since: seen,
            active: seen,
            facts: Opaque::new(),
        });
        let until = row.last_seen_at.after(bounds::DEVICE_LISTED);
        timers.set(Timer::Grace(self.id.clone(), row.device), Some(until));
    }

    /// Says which devices the group has.
    pub(crate) fn list_devices(&self, turn: &mut Turn<'_>, from: Route, id: AskId) {
        let states = self.devices.iter().map(|(name, device)| device.state(name)).collect();
        turn.answer(from, id, Tell::Devices(states));
    }

    /// Whether a device takes one more. Work that shares a device with other work does not keep it busy.
    pub(crate) fn has_room(&self, id: &DeviceId, capacity: Capacity) -> bool {
        let Some(device) = self.devices.get(id) else { return false };
        let shares = |operation: &&OperationId| {
            let work = self.operations.get(operation);
            work.is_some_and(|work| matches!(work.rules.capacity, Capacity::Many(_)))
        };
        match capacity {
            Capacity::Busy | Capacity::Queue(_) => device.load.iter().all(|operation| shares(&operation)),
            Capacity::Many(most) => device.load.len() < usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    /// What a target means now: a device may be named by its connection.
    pub(crate) fn resolve(&self, place: Partition, target: &Target) -> Target {
        let Target::Device(name) = target else { return target.clone() };
        if self.devices.contains_key(name) {
            return target.clone();
        }
        let Some((partition, epoch)) = Epoch::parse_connection(name.as_str()) else { return target.clone() };
        let is_it = |device: &Device| partition == place && device.session.is_some() && device.epoch == epoch;
        let connected = self.devices.iter().find(|(_, device)| is_it(device));
        connected.map_or_else(|| target.clone(), |(id, _)| Target::Device(id.clone()))
    }

    /// Whether a target can be the one that was meant before. A connection that has ended may have been anybody's.
    pub(crate) fn may_be(&self, place: Partition, target: &Target, before: &Target) -> bool {
        let target = self.resolve(place, target);
        let has_ended = match &target {
            Target::Device(name) => {
                !self.devices.contains_key(name) && Epoch::parse_connection(name.as_str()).is_some()
            }
            Target::AnyOfGroup | Target::FirstIdle | Target::Serving(_) => false,
        };
        target == *before || has_ended
    }

    /// Why there is nobody for it.
    pub(crate) fn why_nobody(&self, target: &Target, elsewhere: bool) -> Refusal {
        match target {
            Target::Device(name) if self.devices.contains_key(name) => Refusal::Absent,
            Target::Device(_) if elsewhere => Refusal::Foreign,
            Target::Device(_) => Refusal::Unknown,
            Target::AnyOfGroup | Target::FirstIdle | Target::Serving(_) => Refusal::Absent,
        }
    }

    /// Whether that session is one of this group's.
    pub(crate) fn has_session(&self, epoch: Epoch) -> bool {
        self.sessions.values().any(|session| session.epoch == epoch)
    }

    /// Notes the names a performer serves; work that waited for one of them may go out.
    pub(crate) fn serve(&mut self, turn: &mut Turn<'_>, from: Route, id: AskId, names: Vec<Box<str>>) {
        if names.len() > bounds::NAMES_PER_PERFORMER {
            return turn.answer(from, id, Tell::TooManyNames { most: bounds::NAMES_PER_PERFORMER });
        }
        turn.answer(from, id, Tell::Serving);
        if let Some(session) = self.sessions.get_mut(&from) {
            session.serves = names.into_iter().collect();
            self.offer_waiting(turn);
        }
    }

    /// The online devices a target means, those that are just handed over among them, in the order they are tried.
    pub(crate) fn candidates(&self, target: &Target) -> Vec<DeviceId> {
        let online = self.devices.iter().filter(|(_, device)| device.presence == Presence::Online);
        match target {
            Target::Device(id) => online.filter(|(device, _)| *device == id).map(|(id, _)| id.clone()).collect(),
            Target::AnyOfGroup => online.map(|(id, _)| id.clone()).collect(),
            Target::FirstIdle => {
                let mut by_load: Vec<_> = online.map(|(id, device)| (device.load.len(), id.clone())).collect();
                by_load.sort();
                by_load.into_iter().map(|(_, id)| id).collect()
            }
            Target::Serving(name) => {
                let serves = |device: &Device| {
                    device
                        .session
                        .and_then(|route| self.sessions.get(&route))
                        .is_some_and(|session| session.serves.contains(name))
                };
                let mut by_load: Vec<_> = online
                    .filter(|(_, device)| serves(device))
                    .map(|(id, device)| (device.load.len(), id.clone()))
                    .collect();
                by_load.sort();
                by_load.into_iter().map(|(_, id)| id).collect()
            }
        }
    }

    /// An offline device stays listed for a while, unless its name was that of a connection.
    fn retire(&mut self, turn: &mut Turn<'_>, id: &DeviceId) {
        let Some(device) = self.devices.get(id).filter(|device| device.presence == Presence::Offline) else { return };
        if is_nameless(turn, device.epoch, id) || self.devices.len() > bounds::DEVICES_LISTED {
            return self.forget_device(id);
        }
        let until = turn.now.at.after(bounds::DEVICE_LISTED);
        turn.timers.set(Timer::Grace(self.id.clone(), id.clone()), Some(until));
    }

    /// A device nobody needs to remember is forgotten; the store still knows when it was seen. One with work is
    /// forgotten when that ends.
    fn forget_device(&mut self, id: &DeviceId) {
        if self.devices.get(id).is_some_and(|device| device.presence == Presence::Offline && device.load.is_empty()) {
            self.devices.remove(id);
        }
    }

    /// A device's last work has ended: it may be one that was only kept for that.
    pub(crate) fn relieved(&mut self, turn: &mut Turn<'_>, id: &DeviceId) {
        let offline = |device: &Device| device.presence == Presence::Offline && device.load.is_empty();
        if self.devices.get(id).is_some_and(offline) {
            self.retire(turn, id);
        }
    }

    fn seen(&self, turn: &mut Turn<'_>, from: Route, id: &DeviceId) {
        if let Some(session) = self.sessions.get(&from) {
            self.write_seen(turn, session, id);
        }
    }

    /// Notes when a device was seen, unless nobody can ask for it by that name later.
    fn write_seen(&self, turn: &mut Turn<'_>, session: &Session, id: &DeviceId) {
        if is_nameless(turn, session.epoch, id) {
            return;
        }
        let last_seen_at: Timestamp = turn.now.at;
        let row =
            DeviceRow { group: self.id.clone(), device: id.clone(), dialect: session.principal.dialect, last_seen_at };
        turn.out.push(Output::Write(Write::Seen(row)));
    }
}

/// Whether a device's name is only that of its connection.
fn is_nameless(turn: &Turn<'_>, epoch: Epoch, id: &DeviceId) -> bool {
    epoch.connection(turn.partition) == id.as_str()
}
