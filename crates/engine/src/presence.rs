//! Devices: who can be given work now. Derived from sessions and grace, never stored as truth.

use std::collections::BTreeSet;

use model::{
    AskId, Capacity, DeviceId, DeviceRow, Epoch, Happening, OperationId, Presence, Role, Route, Target, Tell,
    Timestamp, Write,
};

use crate::group::{Group, Session};
use crate::port::Output;
use crate::timers::Timer;
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
}

impl Device {
    /// The session work can be delivered to now.
    pub(crate) const fn online(&self) -> Option<Route> {
        match self.presence {
            Presence::Online => self.session,
            Presence::Away | Presence::Offline => None,
        }
    }

    /// Whether it takes one more.
    pub(crate) fn has_room(&self, capacity: Capacity) -> bool {
        match capacity {
            Capacity::Busy | Capacity::Queue(_) => self.load.is_empty(),
            Capacity::Many(most) => self.load.len() < usize::try_from(most).unwrap_or(usize::MAX),
        }
    }
}

impl Group {
    /// A performer's session was let in.
    pub(crate) fn device_came(&mut self, turn: &mut Turn<'_>, from: Route, id: DeviceId, epoch: Epoch) {
        let has_it =
            |operation: &&OperationId| self.operations.get(operation).is_some_and(|work| work.offered.contains(&id));
        let load = || self.running.iter().filter(has_it).copied().collect();
        let fresh = || Device { session: None, epoch, presence: Presence::Offline, load: load() };
        let device = self.devices.entry(id.clone()).or_insert_with(fresh);
        device.session = Some(from);
        device.epoch = epoch;
        device.presence = Presence::Online;
        turn.timers.set(Timer::Grace(self.id.clone(), id.clone()), None);
        self.seen(turn, from, &id);
        self.happened(turn, Happening::Presence { device: id.clone(), presence: Presence::Online, epoch });
        self.resume(turn, &id);
        self.offer_waiting(turn);
    }

    /// A session is over: its device is away or offline, its work held, failed, cancelled or left to others.
    pub(crate) fn session_ended(&mut self, turn: &mut Turn<'_>, session: &Session) {
        if session.role == Role::Requester && !self.is_here(&session.principal.id) {
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
        let epoch = device.epoch;
        turn.timers.set(Timer::Grace(self.id.clone(), id.clone()), until);
        self.happened(turn, Happening::Presence { device: id.clone(), presence, epoch });
        self.performer_lost(turn, id);
        self.forget_device(id);
    }

    /// The grace is over.
    pub(crate) fn grace_over(&mut self, turn: &mut Turn<'_>, id: &DeviceId) {
        let Some(device) = self.devices.get_mut(id) else { return };
        if device.presence != Presence::Away {
            return;
        }
        device.presence = Presence::Offline;
        let epoch = device.epoch;
        self.happened(turn, Happening::Presence { device: id.clone(), presence: Presence::Offline, epoch });
        self.forget_device(id);
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

    /// A device nobody needs to remember is forgotten; the store still knows when it was seen.
    pub(crate) fn forget_device(&mut self, id: &DeviceId) {
        if self.devices.get(id).is_some_and(|device| device.presence == Presence::Offline && device.load.is_empty()) {
            self.devices.remove(id);
        }
    }

    fn seen(&self, turn: &mut Turn<'_>, from: Route, id: &DeviceId) {
        if let Some(session) = self.sessions.get(&from) {
            self.write_seen(turn, session, id);
        }
    }

    fn write_seen(&self, turn: &mut Turn<'_>, session: &Session, id: &DeviceId) {
        let last_seen_at: Timestamp = turn.now.at;
        let row =
            DeviceRow { group: self.id.clone(), device: id.clone(), dialect: session.principal.dialect, last_seen_at };
        turn.out.push(Output::Write(Write::Seen(row)));
    }
}
