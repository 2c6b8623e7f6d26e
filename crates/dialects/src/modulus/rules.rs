//! How Modulus' kinds of work behave.

use std::sync::Arc;

use model::{
    Absent, Audience, Capacity, Compensation, Durability, Fits, Late, PerformerLost, Reoffer, Repeat, RequesterLost,
    Rules,
};

use super::choices::Choices;
use super::wire::terminal;

/// What kind of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A payment asked for on a socket.
    Payment,
    /// A payment asked for by an HTTP call: its outcome is for whoever waits, and for whoever looks it up.
    PaymentCall,
    /// A payment asked for by an HTTP call that does not wait: its outcome is told to webhook endpoints.
    PaymentHook,
    /// The reversal of a payment that was done after its till had been told that it was not.
    Void,
    /// The same for a payment asked for by an HTTP call.
    VoidCall,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Payment, Self::PaymentCall, Self::PaymentHook, Self::Void, Self::VoidCall];

    /// The word in the ledger and in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::PaymentCall => "payment_call",
            Self::PaymentHook => "payment_hook",
            Self::Void => "void",
            Self::VoidCall => "void_call",
        }
    }

    /// Takes back what [`Self::name`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }

    const fn audience(self) -> Audience {
        match self {
            Self::Payment | Self::Void => Audience::Principal,
            Self::PaymentCall | Self::PaymentHook | Self::VoidCall => Audience::Waiting,
        }
    }
}

/// The rules of a kind of work.
///
/// A payment goes to one terminal, which does one at a time; it is refused when that is not there. A terminal that
/// drops is waited for, then asked what became of it. A success after the end is reversed.
#[must_use]
pub fn rules(choices: &Choices, kind: Kind) -> Arc<Rules> {
    match kind {
        Kind::Payment => payment(choices, kind, Kind::Void),
        Kind::PaymentCall | Kind::PaymentHook => payment(choices, kind, Kind::VoidCall),
        Kind::Void | Kind::VoidCall => void(choices, kind),
    }
}

fn payment(choices: &Choices, kind: Kind, void_kind: Kind) -> Arc<Rules> {
    let compensation = Compensation {
        kind: void_kind.name().into(),
        rules: void(choices, void_kind),
        answer_within: choices.void_within,
    };
    Arc::new(Rules {
        capacity: Capacity::Busy,
        absent: Absent::Refuse,
        performer_lost: PerformerLost::Hold(choices.terminal_grace),
        requester_lost: RequesterLost::GoOn,
        repeat: Repeat::Join,
        reoffer: Reoffer::Inquire {
            times: choices.reoffers_most.try_into().unwrap_or(u16::MAX),
            pause: choices.reoffer_pause,
        },
        fits: Fits(terminal::fits),
        late: Late::Compensate(Arc::new(compensation)),
        audience: kind.audience(),
        durability: Durability::Durable,
        remember: choices.remember,
        owed_for: choices.owed_for,
        owed_most: choices.owed_at_most,
    })
}

/// A terminal may be told to reverse one payment while it does another.
const VOIDS_PER_TERMINAL: u32 = 64;

fn void(choices: &Choices, kind: Kind) -> Arc<Rules> {
    Arc::new(Rules {
        capacity: Capacity::Many(VOIDS_PER_TERMINAL),
        absent: Absent::Wait,
        performer_lost: PerformerLost::OthersGoOn,
        requester_lost: RequesterLost::GoOn,
        repeat: Repeat::Run,
        reoffer: Reoffer::Every { pause: choices.void_every, until: choices.void_within },
        fits: Fits::ANYTHING,
        late: Late::Record,
        audience: kind.audience(),
        durability: Durability::Durable,
        remember: choices.remember,
        owed_for: choices.owed_for,
        owed_most: choices.owed_at_most,
    })
}
