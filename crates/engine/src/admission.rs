//! Who is let in: epochs, one session per name, takeover of living and half-open sessions, damping.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use model::{
    Admit, Alert, AskId, DeviceId, Happening, Hears, NotAdmitted, PrincipalId, Role, Route, Takeover, Tell, Timestamp,
    Window,
};

use crate::group::{Group, Session};
use crate::timers::Timer;
use crate::{Turn, bounds};

/// A name that only one session may hold.
#[derive(Debug, Default)]
pub(crate) struct Single {
    holder: Option<Route>,
    newcomer: Option<Box<Newcomer>>,
    /// Takeovers of peers proven alive, oldest first.
    proven: VecDeque<Timestamp>,
}

/// A session that waits until the older one has handed back what it was lent.
#[derive(Debug)]
struct Newcomer {
    route: Route,
    ask: AskId,
    admit: Admit,
}

impl Single {
    pub(crate) fn newcomer(&self) -> Option<Route> {
        self.newcomer.as_ref().map(|newcomer| newcomer.route)
    }
}

/// A displaced session that is over for us, while its connection still ends.
#[derive(Debug)]
pub(crate) struct Parting {
    single: Box<str>,
    /// The device it was: a result that was on its way is still a fact.
    pub(crate) device: Option<DeviceId>,
    principal: PrincipalId,
}

impl Group {
    /// Lets a connection in, at once or after the one it displaces has left, or says why not.
    pub(crate) fn admit(&mut self, turn: &mut Turn<'_>, from: Route, id: AskId, admit: Admit) {
        let Some(name) = admit.single.clone() else { return self.let_in(turn, from, id, admit) };
        turn.routes.insert(from, self.id.clone());
        let single = self.singles.or_default(name.clone());
        let Some(holder) = single.holder else { return self.let_in(turn, from, id, admit) };
        if admit.takeover == Takeover::IncumbentStays {
            turn.routes.remove(&from);
            return turn.answer(from, id, Tell::NotAdmitted(NotAdmitted::Occupied));
        }
        let now = turn.now.at;
        single.proven.retain(|at| now.since(*at) < bounds::DAMPING_SPAN);
        if single.proven.len() >= bounds::DAMPING_AFTER {
            let again =
                single.proven.front().map_or(bounds::DAMPING_SPAN, |at| at.after(bounds::DAMPING_SPAN).since(now));
            turn.routes.remove(&from);
            turn.answer(from, id, Tell::NotAdmitted(NotAdmitted::Damped(again)));
            let principal = admit.principal.id.clone();
            return self.happened(turn, Happening::Alert(Alert::TakeoverWar { principal }));
        }
        let newcomer = Box::new(Newcomer { route: from, ask: id, admit });
        let previous = single.newcomer.replace(newcomer);
        if let Some(previous) = previous {
            // Two newcomers at once: the newest wins here too.
            turn.routes.remove(&previous.route);
            turn.answer(previous.route, previous.ask, Tell::NotAdmitted(NotAdmitted::Occupied));
            return;
        }
        let Some(session) = self.sessions.get_mut(&holder).filter(|session| !session.displaced) else { return };
        session.displaced = true;
        self.listeners.remove(&holder);
        let (device, epoch) = (session.device.clone(), session.epoch);
        if let Some(device) = device.and_then(|id| self.devices.get_mut(&id)).filter(|device| device.epoch == epoch) {
            device.session = None;
        }
        turn.timers.set(Timer::Handover(self.id.clone(), name), Some(now.after(bounds::HANDOVER)));
        turn.tell(holder, Tell::Displaced);
    }

    /// A session is over for us. What it was lent comes back; a newcomer that waited for that is let in.
    pub(crate) fn leave(&mut self, turn: &mut Turn<'_>, from: Route, windows: Vec<Window>) {
        let Some(session) = self.sessions.remove(&from) else {
            return self.not_in_left(turn, from, windows);
        };
        turn.routes.remove(&from);
        self.listeners.remove(&from);
        self.hand_back(turn, &session.principal.id, windows);
        if let Some(name) = &session.single {
            if session.displaced {
                turn.routes.insert(from, self.id.clone());
                let (device, principal) = (session.device.clone(), session.principal.id.clone());
                self.partings.insert(from, Parting { single: name.clone(), device, principal });
                turn.timers.set(Timer::Parting(from), Some(turn.now.at.after(bounds::PARTING)));
            }
            if self.singles.get(name).is_some_and(|single| single.holder == Some(from)) {
                self.vacate(turn, name);
            }
        }
        self.session_ended(turn, &session);
    }

    /// The older session did not hand back in time: it is let go as it is.
    pub(crate) fn hand_over(&mut self, turn: &mut Turn<'_>, name: &str) {
        let Some(holder) = self.singles.get(name).and_then(|single| single.holder) else { return };
        self.leave(turn, holder, Vec::new());
    }

    /// The connection of a displaced session has ended. Only a peer that was alive makes a takeover count.
    pub(crate) fn parted(&mut self, turn: &mut Turn<'_>, from: Route, alive: bool) {
        let Some(Parting { single: name, device: _, principal: _ }) = self.partings.remove(&from) else { return };
        turn.routes.remove(&from);
        turn.timers.set(Timer::Parting(from), None);
        if alive {
            let now = turn.now.at;
            self.singles.or_default(name.clone()).proven.push_back(now);
            turn.timers.set(Timer::Damping(self.id.clone(), name), Some(now.after(bounds::DAMPING_SPAN)));
        }
    }

    /// Takeovers that no longer count are forgotten, and with them a name nobody holds.
    pub(crate) fn forget_takeovers(&mut self, turn: &mut Turn<'_>, name: &str) {
        let now = turn.now.at;
        let Some(single) = self.singles.get_mut(name) else { return };
        single.proven.retain(|at| now.since(*at) < bounds::DAMPING_SPAN);
        let next = single.proven.front().map(|at| at.after(bounds::DAMPING_SPAN));
        turn.timers.set(Timer::Damping(self.id.clone(), name.into()), next);
        self.forget_single(name);
    }

    fn let_in(&mut self, turn: &mut Turn<'_>, from: Route, id: AskId, admit: Admit) {
        let Admit { principal, role, device, facts, hears, single, takeover: _, grace, windows } = admit;
        let epoch = turn.next_epoch();
        let (device, grace) = match device {
            // Known by its connection, it cannot come back.
            None if role == Role::Performer => {
                (DeviceId::parse(&epoch.connection(turn.partition)).ok(), Duration::ZERO)
            }
            device => (device, grace),
        };
        turn.routes.insert(from, self.id.clone());
        if let Some(name) = &single {
            self.singles.or_default(name.clone()).holder = Some(from);
        }
        let windows = self.lend(turn, &principal.id, windows);
        let told = role == Role::Requester && hears == Hears::Principal;
        let owed = if told { self.owed(&principal.id) } else { 0 };
        let who = principal.id.clone();
        let session = Session {
            epoch,
            principal,
            role,
            device: device.clone(),
            single,
            grace,
            serves: BTreeSet::new(),
            hears,
            displaced: false,
        };
        self.sessions.insert(from, Box::new(session));
        turn.answer(from, id, Tell::Admitted { epoch, windows, owed });
        if told {
            self.deliver_mail(turn, from, &who);
        }
        if let Some(device) = device {
            self.device_came(turn, from, device, epoch, facts);
        }
    }

    /// The name is free: whoever waits for it is let in.
    fn vacate(&mut self, turn: &mut Turn<'_>, name: &str) {
        turn.timers.set(Timer::Handover(self.id.clone(), name.into()), None);
        let Some(single) = self.singles.get_mut(name) else { return };
        single.holder = None;
        match single.newcomer.take() {
            Some(newcomer) => {
                let Newcomer { route, ask, admit } = *newcomer;
                self.let_in(turn, route, ask, admit);
            }
            None => self.forget_single(name),
        }
    }

    /// A newcomer does not wait any longer; or a session that was let go says so late, and is only parting.
    fn not_in_left(&mut self, turn: &mut Turn<'_>, from: Route, windows: Vec<Window>) {
        if let Some(parting) = self.partings.get(&from) {
            let principal = parting.principal.clone();
            return self.hand_back(turn, &principal, windows);
        }
        turn.routes.remove(&from);
        for single in self.singles.values_mut() {
            if single.newcomer() == Some(from) {
                single.newcomer = None;
            }
        }
    }

    fn forget_single(&mut self, name: &str) {
        let empty = |single: &Single| single.holder.is_none() && single.newcomer.is_none() && single.proven.is_empty();
        if self.singles.get(name).is_some_and(|single| empty(single)) {
            self.singles.remove(name);
        }
    }
}
