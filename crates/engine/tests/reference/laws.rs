//! What must hold whatever happens, and what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use engine::Output;
use model::{Ask, AskId, DeviceId, Epoch, Happening, OperationId, Outcome, Presence, Route, Tell, Verdict, Write};

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
    /// Work that further work makes good for.
    made_good: BTreeSet<OperationId>,
    devices: BTreeMap<DeviceId, (Presence, Epoch)>,
    last_event: u64,
    /// Every kind of thing that was said, so that a run that tries little is noticed.
    pub(crate) reached: BTreeSet<String>,
}

/// What random runs must reach together; the rest is for the stories.
pub(crate) const TO_REACH: &[&str] = &[
    "admitted with mail",
    "accepted to make good",
    "alert Contradiction",
    "alert GivenUp",
    "alert NotCompensated",
    "alert TakeoverWar",
    "alert Unasked",
    "cancelled NotDelivered",
    "cancelled Unknown",
    "completed",
    "declined",
    "expired NotDelivered",
    "expired Unknown",
    "failed Absent NotDelivered",
    "failed Performer NotDelivered",
    "failed Performer Unknown",
    "failed PerformerLost Unknown",
    "failed Service Unknown",
    "event told",
    "found Ended",
    "found Held",
    "found Offered",
    "found Waiting",
    "found late",
    "found made good",
    "found nothing",
    "gap",
    "inquiry",
    "late answer written",
    "not admitted Damped",
    "not admitted Occupied",
    "presence Away",
    "presence Offline",
    "presence Online",
    "progress",
    "refused Absent",
    "refused Busy",
    "refused Conflict",
    "refused Duplicate",
    "refused Foreign",
    "refused Full",
    "refused NotFound",
    "refused Unknown",
    "settle",
    "taken Again",
    "taken Contradicts",
    "taken Deciding",
    "taken Ended",
    "taken Late",
    "taken NotYours",
    "taken Noted",
    "told Displaced",
    "windows with history",
    "withdrawn",
];

impl Laws {
    pub(crate) fn asked(&mut self, from: Route, id: AskId, ask: &Ask) {
        let may_wait = match ask {
            Ask::Admit(_) => true,
            Ask::Answer(answer) => matches!(answer.verdict, Verdict::Evidence(_)),
            Ask::Leave { .. } => return,
            Ask::Submit(_)
            | Ask::Cancel { .. }
            | Ask::Serve { .. }
            | Ask::Listen { .. }
            | Ask::Devices
            | Ask::Look { .. } => false,
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
        self.reached.extend(label(output));
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
            Write::Accepted(row) => {
                if let Some(about) = row.about {
                    law(self.written.contains(&about), "made good before the end")?;
                    law(self.made_good.insert(about), "made good twice")?;
                }
                law(self.stored.insert(row.id), "accepted twice")
            }
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
            Write::Seen(row) => {
                law(Epoch::parse_connection(row.device.as_str()).is_none(), "a connection that is remembered")
            }
        }
    }
}

/// The kind of thing that was said, where it is one that must be reached.
fn label(output: &Output) -> Option<String> {
    let first_word = |debug: String| debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    Some(match output {
        Output::Tell { tell, .. } => match tell {
            Tell::Admitted { owed, .. } if *owed > 0 => "admitted with mail".into(),
            Tell::Admitted { windows, .. } if windows.iter().any(|window| window.empty_at().is_some()) => {
                "windows with history".into()
            }
            Tell::NotAdmitted(why) => format!("not admitted {}", first_word(format!("{why:?}"))),
            Tell::Refused { why, .. } => format!("refused {why:?}"),
            Tell::Taken { taken, .. } => format!("taken {}", first_word(format!("{taken:?}"))),
            Tell::Listening { gap: true, .. } => "gap".into(),
            Tell::Found(None) => "found nothing".into(),
            Tell::Found(Some(found)) if found.row.compensation.is_some() => "found made good".into(),
            Tell::Found(Some(found)) if found.row.late.is_some() => "found late".into(),
            Tell::Found(Some(found)) => format!("found {:?}", found.standing),
            Tell::Offer { inquiry: true, .. } => "inquiry".into(),
            Tell::Progress { .. } => "progress".into(),
            Tell::Withdrawn { .. } => "withdrawn".into(),
            Tell::Displaced => "told Displaced".into(),
            Tell::Event(_) => "event told".into(),
            Tell::Outcome { outcome, .. } => match outcome {
                Outcome::Failed { cause, certainty, .. } => format!("failed {cause:?} {certainty:?}"),
                Outcome::Expired { certainty } => format!("expired {certainty:?}"),
                Outcome::Cancelled { certainty } => format!("cancelled {certainty:?}"),
                Outcome::Completed { .. } | Outcome::Declined { .. } => outcome.kind().label().into(),
            },
            _ => return None,
        },
        Output::Settle { .. } => "settle".into(),
        Output::Write(Write::LateAnswer { .. }) => "late answer written".into(),
        Output::Write(Write::Accepted(row)) if row.about.is_some() => "accepted to make good".into(),
        Output::Write(_) => return None,
        Output::Event(event) => match &event.happening {
            Happening::Presence { presence, .. } => format!("presence {presence:?}"),
            Happening::Alert(alert) => format!("alert {}", first_word(format!("{alert:?}"))),
            Happening::Accepted { .. } | Happening::Ended { .. } => return None,
        },
    })
}
