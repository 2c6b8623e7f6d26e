//! How BOOP's contexts behave: one kind of rules for all four kinds of context.

use std::sync::Arc;

use model::{Absent, Audience, Capacity, Durability, Fits, Late, PerformerLost, Reoffer, Repeat, RequesterLost, Rules};

use super::choices::Choices;

/// The rules of every context.
///
/// A context is offered to every scanner it may go to, waits for one that is not there, and goes on whoever
/// leaves; an id is used once; a scan after the end is acknowledged as late and forgotten.
#[must_use]
pub fn rules(choices: &Choices) -> Arc<Rules> {
    Arc::new(Rules {
        capacity: Capacity::Many(choices.contexts_per_scanner),
        absent: Absent::Wait,
        performer_lost: PerformerLost::OthersGoOn,
        requester_lost: RequesterLost::GoOn,
        repeat: Repeat::Refuse,
        reoffer: Reoffer::OnReturn,
        fits: Fits::ANYTHING,
        late: Late::Drop,
        audience: Audience::Principal,
        durability: Durability::Durable,
        remember: choices.remember,
        owed_for: choices.owed_for,
        owed_most: choices.owed_at_most,
    })
}
