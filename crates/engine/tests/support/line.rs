//! How what follows is written down: one line each, everything that matters on it.

use model::{
    Alert, Certainty, DeviceState, FailCause, Found, Happening, NotAdmitted, Opaque, Outcome, Refusal, Standing, Taken,
    Tell, Timestamp, Write,
};

use super::{START, World, epoch};

impl World {
    pub(super) fn tell(&self, tell: &Tell) -> String {
        match tell {
            Tell::Admitted { epoch: fence, windows: _, owed } => match owed {
                0 => format!("admitted {}", epoch(*fence)),
                owed => format!("admitted {} owed {owed}", epoch(*fence)),
            },
            Tell::NotAdmitted(NotAdmitted::Damped(wait)) => format!("damped for {wait:?}"),
            Tell::NotAdmitted(NotAdmitted::Occupied) => "occupied".into(),
            Tell::Accepted { operation, key: _ } => format!("accepted {}", self.keys[operation]),
            Tell::Refused { key, why } => format!("refused {key} {}", refusal(*why)),
            Tell::Cancelling { key } => format!("cancelling {key}"),
            Tell::Taken { operation, key, taken } => {
                let known = operation.and_then(|operation| self.keys.get(&operation).cloned());
                let name = known.or_else(|| key.as_ref().map(|key| format!("{key}?"))).unwrap_or("?".into());
                format!("taken {name} {}", word(*taken))
            }
            Tell::Serving => "serving".into(),
            Tell::TooManyNames { most } => format!("at most {most} names"),
            Tell::Listening { at, gap } => {
                format!("listening at {}.{}{}", at.fence.0, at.n, if *gap { " gap" } else { "" })
            }
            Tell::Devices(devices) => {
                let devices: Vec<String> = devices.iter().map(device).collect();
                format!("devices {}", devices.join(", "))
            }
            Tell::Found(None) => "found nothing".into(),
            Tell::Found(Some(found)) => self.found(found),
            Tell::Progress { operation, note, .. } => format!("progress {} {}", self.keys[operation], text(note)),
            Tell::Outcome { operation, key: _, kind, target: _, memo, outcome: how, at: _ } => {
                assert_eq!(&**memo, b"memo", "the dialect's own bytes come back");
                format!("outcome {}{} {}", self.keys[operation], of_kind(kind), outcome(how))
            }
            Tell::Offer { operation, key, kind, inquiry, from, request, answer_by } => {
                let is_asked = match &**kind {
                    "undo" => ["did after all", "other"].contains(&&*text(request)),
                    _ => text(request) == format!("do {key}"),
                };
                assert!(is_asked, "what was asked is offered, not {}", text(request));
                assert_eq!(&**from, "The Shop", "the requester's name is offered");
                let what = if *inquiry { "inquiry" } else { "offer" };
                format!("{what} {}{} by {}", self.keys[operation], of_kind(kind), instant(*answer_by))
            }
            Tell::Withdrawn { operation, how, .. } => format!("withdrawn {} {}", self.keys[operation], how.label()),
            Tell::Displaced => "displaced".into(),
            Tell::Revoked => "revoked".into(),
            Tell::Dismissed => "dismissed".into(),
            Tell::Reloaded => "reloaded".into(),
            Tell::Event(event) => format!("hears {} {}", event.position.n, self.happening(&event.happening)),
        }
    }

    pub(super) fn write(&self, write: &Write) -> String {
        match write {
            Write::Accepted(row) => match &row.about {
                Some(about) => format!("accepted {} about {}", self.keys[&row.id], self.keys[about]),
                None => format!("accepted {}", self.keys[&row.id]),
            },
            Write::Ended { operation, outcome: how, .. } => {
                format!("ended {} {}", self.keys[operation], outcome(how))
            }
            Write::Owed(mail) => {
                format!("owed {} to {} until {}", self.keys[&mail.operation], mail.principal, instant(mail.until))
            }
            Write::Paid { operation } => format!("paid {}", self.keys[operation]),
            Write::LateAnswer { operation, body, .. } => format!("late {} {}", self.keys[operation], text(body)),
            Write::Seen(row) => format!("seen {}", row.device),
        }
    }

    pub(super) fn happening(&self, happening: &Happening) -> String {
        match happening {
            Happening::Presence { device, presence, epoch: fence } => {
                format!("{device} {} {}", presence.label(), epoch(*fence))
            }
            Happening::Accepted { operation, kind } => format!("accepted {} {kind}", self.keys[operation]),
            Happening::Ended { operation, how } => format!("ended {} {}", self.keys[operation], how.label()),
            Happening::Alert(Alert::TakeoverWar { principal }) => format!("alert takeover_war {principal}"),
            Happening::Alert(Alert::GivenUp { operation, principal }) => {
                format!("alert given_up {} {principal}", self.keys[operation])
            }
            Happening::Alert(Alert::Contradiction { operation, device }) => {
                format!("alert contradiction {} {device}", self.keys[operation])
            }
            Happening::Alert(Alert::Unasked { key, device }) => format!("alert unasked {key} {device}"),
            Happening::Alert(Alert::NotCompensated { operation }) => {
                format!("alert not_compensated {}", self.keys[operation])
            }
        }
    }

    fn found(&self, found: &Found) -> String {
        let Found { row, standing } = found;
        let standing = match standing {
            Standing::Waiting => "waiting",
            Standing::Offered => "offered",
            Standing::Held => "held",
            Standing::Ended => "ended",
        };
        let mut line = format!("found {} {standing}", self.keys[&row.id]);
        if let Some((how, at)) = &row.outcome {
            line.push_str(&format!(" {} at {}", outcome(how), instant(*at)));
        }
        if let Some((body, at)) = &row.late {
            line.push_str(&format!(", late {} at {}", text(body), instant(*at)));
        }
        if let Some((operation, ended)) = &row.compensation {
            line.push_str(&format!(", made good by {}", self.keys[operation]));
            if let Some((how, at)) = ended {
                line.push_str(&format!(" {} at {}", how.label(), instant(*at)));
            }
        }
        line
    }
}

fn device(state: &DeviceState) -> String {
    let session = state.epoch.map_or_else(|| "stored".into(), epoch);
    let [since, active] = [state.since, state.active].map(|at| instant(Timestamp::from_millis(at.millis())));
    format!(
        "{} {} {session} since {since} active {active} {}",
        state.device,
        state.presence.label(),
        text(&state.facts)
    )
}

/// The kind of work, where it is not what most stories are about.
fn of_kind(kind: &str) -> String {
    if kind == "undo" { " undo".into() } else { String::new() }
}

/// An instant as so long after the start.
pub(super) fn instant(at: Timestamp) -> String {
    let millis = at.millis() - START;
    if millis.is_multiple_of(1_000) { format!("+{}s", millis / 1_000) } else { format!("+{millis}ms") }
}

/// A body of bytes as text; a dash for none.
pub(super) fn text(body: &Opaque) -> String {
    if body.is_empty() { "-".into() } else { String::from_utf8_lossy(body).into_owned() }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed { body } => format!("completed {}", text(body)),
        Outcome::Declined { body } => format!("declined {}", text(body)),
        Outcome::Failed { cause, certainty: sure, body } => {
            let cause = match cause {
                FailCause::PerformerLost => "performer_lost",
                FailCause::Performer => "performer",
                FailCause::Absent => "absent",
                FailCause::Service => "service",
            };
            format!("failed {cause} {} {}", certainty(*sure), text(body))
        }
        Outcome::Expired { certainty: sure } => format!("expired {}", certainty(*sure)),
        Outcome::Cancelled { certainty: sure } => format!("cancelled {}", certainty(*sure)),
    }
}

const fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::NotDelivered => "not_delivered",
        Certainty::Unknown => "unknown",
    }
}

const fn refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::Duplicate => "duplicate",
        Refusal::Conflict => "conflict",
        Refusal::Busy => "busy",
        Refusal::Absent => "absent",
        Refusal::Unknown => "unknown",
        Refusal::Foreign => "foreign",
        Refusal::NotFound => "not_found",
        Refusal::Full => "full",
    }
}

fn word(taken: Taken) -> String {
    match taken {
        Taken::Ended(how) => format!("ended {}", how.label()),
        Taken::Noted => "noted".into(),
        Taken::Again => "again".into(),
        Taken::Late(Some(how)) => format!("late {}", how.label()),
        Taken::Late(None) => "late".into(),
        Taken::Deciding => "deciding".into(),
        Taken::NotYours => "not_yours".into(),
        Taken::Contradicts => "contradicts".into(),
    }
}
