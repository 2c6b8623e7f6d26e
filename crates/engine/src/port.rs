//! What goes into a partition and what comes out.

use model::{
    Ask, AskId, Dialect, Event, MailRow, OperationId, OperationRow, Question, Route, Settled, Tell, Timestamp, Write,
};

/// What goes into a partition.
#[derive(Clone, Debug)]
pub enum Input {
    /// A session asks.
    Ask {
        /// Who.
        from: Route,
        /// Matches the answer.
        id: AskId,
        /// What.
        ask: Ask,
        /// The stored operation of the key the ask names, where memory no longer has it.
        earlier: Option<Box<OperationRow>>,
    },
    /// The connection of a displaced session has ended.
    Parted {
        /// Whose.
        from: Route,
        /// Whether its peer was alive: it completed our close.
        alive: bool,
    },
    /// An answer was decided upon, and the decision is durable.
    Settled {
        /// Which work.
        operation: OperationId,
        /// What was decided.
        settled: Settled,
    },
    /// An outcome could not be told: its session was gone by then.
    Undelivered {
        /// Which work.
        operation: OperationId,
    },
    /// An operator takes work back, whoever asked for it; its requester hears the outcome as always.
    TakeBack {
        /// Which work.
        operation: OperationId,
    },
    /// The deadline has come.
    Wake,
}

/// What comes out of a partition, in order. Nothing of it may leave before all writes up to it are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Something for a session.
    Tell {
        /// Whom.
        to: Route,
        /// The ask this answers, when it answers one.
        ask: Option<AskId>,
        /// What.
        tell: Tell,
    },
    /// Something to survive.
    Write(Write),
    /// An answer to be decided upon by the dialect's service, and the decision to be made durable.
    Settle {
        /// Whose service.
        dialect: Dialect,
        /// What is asked.
        question: Box<Question>,
        /// The mail to write with an outcome.
        owed: Option<MailRow>,
        /// When.
        at: Timestamp,
    },
    /// Something others may hear.
    Event(Event),
}
