//! What the machine tells operators, as log lines and counts: constant messages, values as fields, never a secret.

use std::net::IpAddr;

use model::{Alert, Event, GroupId, Happening, Route, Timestamp};
use node::Note;

use crate::metrics::Metrics;
use crate::refusals::{Refusals, Silenced};

/// Logs and counts a note. `peer` is where the connection it is about comes from.
pub(crate) fn note(note: &Note, at: Timestamp, peer: Option<IpAddr>, metrics: &Metrics, refusals: &mut Refusals) {
    let from = peer;
    let peer = peer.map(tracing::field::display);
    match note {
        Note::NoDoor { route } => {
            tracing::info!(core = route.core, slot = route.slot, peer, "upgrade refused, nobody serves that path");
        }
        Note::LoginRefused { route, dialect, role, subject, denied } => {
            metrics.login_refused(*dialect, *denied);
            if !refusals.may_be_told(at, from) {
                return;
            }
            tracing::warn!(
                core = route.core,
                slot = route.slot,
                peer,
                %dialect,
                role = role.map(|role| role.name()),
                subject = subject.as_deref(),
                denied = denied.label(),
                "login refused"
            );
        }
        Note::LoggedIn { route, dialect, role, group, principal } => {
            tracing::info!(core = route.core, slot = route.slot, peer, %dialect, %role, group = group.name(), %principal, "logged in");
        }
        Note::Ended { route, dialect, principal, reason } => {
            metrics.closed(*dialect, *reason);
            tracing::info!(
                core = route.core,
                slot = route.slot,
                dialect = dialect.map(|dialect| dialect.name()),
                principal = principal.as_ref().map(|principal| principal.as_str()),
                reason = reason.label(),
                "connection ended"
            );
        }
        Note::CommitFailed { partition, error } => {
            tracing::error!(partition = partition.0, %error, "commit failed, partition is loaded again");
        }
        Note::RowDamaged { partition, cause } => {
            tracing::error!(partition = partition.0, %cause, "a stored operation cannot be read, whoever asked for it is sent away");
        }
        Note::LoadFailed { partition, cause } => {
            tracing::error!(partition = partition.0, %cause, "partition could not be loaded, trying again");
        }
    }
}

/// Logs how many refused logins had no line of their own.
pub(crate) fn silenced(silenced: &[Silenced]) {
    for Silenced { peer, count } in silenced {
        tracing::warn!(peer = peer.map(tracing::field::display), count, "more logins refused within a second");
    }
}

/// Logs that a peer is not let in, before it ever had a socket. Where nobody serves the path there is a note of its own.
pub(crate) fn refused(route: Route, peer: IpAddr, status: u16) {
    if status != 404 {
        tracing::info!(core = route.core, slot = route.slot, %peer, status, "upgrade refused");
    }
}

/// Logs and counts an event.
pub(crate) fn event(event: &Event, metrics: &Metrics) {
    let group = &event.group;
    match &event.happening {
        Happening::Accepted { operation, kind } => {
            metrics.operation_accepted();
            tracing::debug!(%group, %operation, %kind, "operation accepted");
        }
        Happening::Ended { operation, how } => {
            metrics.operation_ended(*how);
            tracing::debug!(%group, %operation, how = how.label(), "operation ended");
        }
        Happening::Presence { device, presence, .. } => {
            tracing::debug!(%group, %device, presence = presence.label(), "presence changed");
        }
        Happening::Alert(alert) => {
            metrics.alert(alert);
            alarm(group, alert);
        }
    }
}

/// Logs what an operator should look at.
fn alarm(group: &GroupId, alert: &Alert) {
    match alert {
        Alert::TakeoverWar { principal } => {
            tracing::warn!(%group, %principal, "two living peers keep displacing each other, newcomers wait");
        }
        Alert::Contradiction { operation, device } => {
            tracing::warn!(%group, %operation, %device, "performer answered something else than it was asked");
        }
        // The id is the peer's own text.
        Alert::Unasked { key, device } => {
            tracing::warn!(%group, ?key, %device, "performer did what nobody asked for");
        }
        Alert::NotCompensated { operation } => {
            tracing::warn!(%group, %operation, "nobody made good for a late answer, a person has to");
        }
        Alert::GivenUp { operation, principal } => {
            tracing::warn!(%group, %operation, %principal, "owed outcome given up");
        }
    }
}
