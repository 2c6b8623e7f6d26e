//! What must hold whatever happens, and what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use engine::Output;
use model::{Ask, AskId, DeviceId, Epoch, Happening, OperationId, Presence, Route, Tell, Verdict, Write};

use crate::pair::Broken;

/// Everything it takes to notice a broken law.
#[derive(Default)]
pub(crate) struct Laws {
    gone: BTreeSet<Route>,
    /// Asks without an answer, and whether they may wait for one.
    open: BTreeMap<(Route, AskId), bool>,
    running: BTreeSet<OperationId>,
    ended: BTreeSet<OperationId>,
    stored: BTreeSet<OperationId>,
    /// Stored work whose outcome was written.
    written: BTreeSet<OperationId>,
    devices: BTreeMap<DeviceId, (Presence, Epoch)>,
    last_event: u64,
}

impl Laws {
    pub(crate) fn asked(&mut self, from: Route, id: AskId, ask: &Ask) {
        let may_wait = match ask {
            Ask::Admit(_) => true,
            Ask::Answer(answer) => matches!(answer.verdict, Verdict::Evidence(_)),
            Ask::Leave { .. } => return,
            Ask::Submit(_) | Ask::Cancel { .. } | Ask::Serve { .. } | Ask::Listen { .. } => false,
        };
        self.open.insert((from, id), may_wait);
    }

    pub(crate) fn left(&mut self, route: Route) {
        self.gone.insert(route);
        self.open.retain(|(from, _), _| *from != route);
    }

    /// The process died: sessions are gone, and so is what was never stored.
    pub(crate) fn restarted(&mut self) {
        self.open.clear();
        self.last_event = 0;
        self.running.retain(|operation| self.stored.contains(operation));
        for (presence, _) in self.devices.values_mut() {
            *presence = Presence::Offline;
        }
    }

    /// A step is over.
    pub(crate) fn step_over(&self) -> Result<(), Broken> {
        match self.open.iter().find(|(_, may_wait)| !**may_wait) {
            Some((ask, _)) => Err(format!("{ask:?} was not answered")),
            None => Ok(()),
        }
    }

    /// Everything was decided, everybody has left and everything has ended.
    pub(crate) fn at_the_end(&self) -> Result<(), Broken> {
        match self.running.first() {
            Some(operation) => Err(format!("{operation:?} never got its outcome")),
            None => Ok(()),
        }
    }

    pub(crate) fn came(&mut self, output: &Output) -> Result<(), Broken> {
        let law = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {output:?}")) };
        match output {
            Output::Tell { to, ask, tell } => {
                law(!self.gone.contains(to), "told to a session that left")?;
                if let Some(ask) = ask {
                    law(self.open.remove(&(*to, *ask)).is_some(), "answered twice")?;
                }
                match tell {
                    Tell::Offer { operation, .. } | Tell::Progress { operation, .. } => {
                        law(!self.ended.contains(operation), "said after the end")
                    }
                    Tell::Outcome { operation, .. } => {
                        law(!self.stored.contains(operation) || self.written.contains(operation), "said unwritten")
                    }
                    _ => Ok(()),
                }
            }
            Output::Settle { .. } => Ok(()),
            Output::Write(write) => self.wrote(write, law),
            Output::Event(event) => {
                self.last_event += 1;
                law(event.position.n == self.last_event, "out of order")?;
                match &event.happening {
                    Happening::Accepted { operation, .. } => law(self.running.insert(*operation), "accepted twice"),
                    Happening::Ended { operation, .. } => {
                        law(self.running.remove(operation) && self.ended.insert(*operation), "ended twice")?;
                        law(!self.stored.contains(operation) || self.written.contains(operation), "ended unwritten")
                    }
                    Happening::Presence { device, presence, epoch } => {
                        let before = self.devices.insert(device.clone(), (*presence, *epoch));
                        let (was, since) = before.unwrap_or((Presence::Offline, Epoch::default()));
                        law(
                            match (was, presence) {
                                (_, Presence::Online) => *epoch > since,
                                (Presence::Online, Presence::Away) | (Presence::Online, Presence::Offline) => {
                                    *epoch == since
                                }
                                (Presence::Away, Presence::Offline) => *epoch == since,
                                (Presence::Away | Presence::Offline, Presence::Away)
                                | (Presence::Offline, Presence::Offline) => false,
                            },
                            "a presence that cannot follow",
                        )
                    }
                    Happening::Alert(_) => Ok(()),
                }
            }
        }
    }

    /// The store decided, and wrote the outcome itself.
    pub(crate) fn settled(&mut self, operation: OperationId) {
        self.written.insert(operation);
    }

    fn wrote(&mut self, write: &Write, law: impl Fn(bool, &str) -> Result<(), Broken>) -> Result<(), Broken> {
        let known = |operation| law(self.stored.contains(operation), "written beside a row that does not exist");
        match write {
            Write::Accepted(row) => law(self.stored.insert(row.id), "accepted twice"),
            Write::Ended { operation, .. } => {
                known(operation)?;
                law(self.written.insert(*operation), "ended twice")
            }
            Write::LateAnswer { operation, .. } => {
                known(operation)?;
                law(self.written.contains(operation), "late before the end")
            }
            Write::Owed(mail) => known(&mail.operation),
            Write::Paid { operation } => known(operation),
            Write::Seen(_) => Ok(()),
        }
    }
}
