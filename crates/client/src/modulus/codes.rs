//! The words in which a gateway refuses, and what they mean for a payment and for the connection.

use super::wire::Incoming;
use crate::link::Ended;
use crate::login::Meaning;
use crate::problem::Problem;

/// A message or a request that cannot be right.
pub const BAD_REQUEST: &str = "Bad Request";
/// The terminal is not connected, or there is none.
pub const NOT_FOUND: &str = "Not Found";
/// The terminal is another group's.
pub const FORBIDDEN: &str = "Forbidden";
/// The terminal has an unfinished payment, or the id was used for another one.
pub const CONFLICT: &str = "Conflict";
/// Too fast. What it answers was not done.
pub const TOO_MANY_REQUESTS: &str = "Too Many Requests";
/// The id was used for another payment, which may well have been paid. The HTTP calls' word for it.
pub const DUPLICATE_TRANSACTION: &str = "DUPLICATE_TRANSACTION";
/// No such transaction.
pub const TRANSACTION_NOT_FOUND: &str = "TRANSACTION_NOT_FOUND";

/// What the text of a [`CONFLICT`] has when the terminal is busy with something else. The socket has one title for that
/// and for an id that was used for another payment.
const BUSY: &str = "already in progress";

/// Why a gateway ends a connection, as `forceDisconnect` has it: the key works no more.
const KEY_REVOKED: &str = "KEY_REVOKED";
/// The gateway, or a part of it, starts again: come back.
const COME_BACK: [&str; 2] = ["SERVER_SHUTDOWN", "SERVER_RESTART"];

/// What a frame means for the connection.
pub(super) fn meaning(frame: &str) -> Meaning {
    match Incoming::parse(frame) {
        Ok(Incoming::Pong) => Meaning::Pong,
        Ok(Incoming::ForceDisconnect { reason, problem }) => about_connection(&reason, &problem),
        Ok(_) | Err(_) => Meaning::Nothing,
    }
}

/// Whether a `forceDisconnect` means that there is no point in coming back. The vendor's own reasons are not known: a
/// connection that is told to go without a reason to come back was displaced.
pub(super) fn about_connection(reason: &str, problem: &Problem) -> Meaning {
    if COME_BACK.contains(&reason) {
        Meaning::Nothing
    } else if reason == KEY_REVOKED {
        Meaning::Ends(Ended::Refused(problem.clone()))
    } else {
        Meaning::Ends(Ended::Displaced)
    }
}

/// What an error about a payment says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It was not begun, and will not be.
    Refused,
    /// Nothing: what it was before, it still is.
    Nothing,
    /// It was not begun by this message. Whether an earlier one did is open.
    RefusedAgain,
}

/// How a payment was asked for when an error answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Once.
    Once,
    /// Again after a lost connection, under the same id.
    Again,
}

/// What an error says about a payment.
pub(super) fn about_payment(problem: &Problem, asked: Asked) -> Says {
    let answers_the_request = [BAD_REQUEST, NOT_FOUND, FORBIDDEN].iter().any(|code| problem.is(code));
    match asked {
        Asked::Once => Says::Refused,
        // It would have joined itself: the id is another payment's.
        Asked::Again if answers_the_request || is_duplicate(problem) => Says::RefusedAgain,
        // The terminal is busy, perhaps with this very payment; or the repeat was too much.
        Asked::Again => Says::Nothing,
    }
}

/// Whether a call that was answered so was not begun: for its code, or because its caller was not let in.
pub(super) fn is_refusal(status: u16, problem: &Problem) -> bool {
    is_certain(problem) || matches!(status, 401 | 403)
}

/// Whether the id was used for another payment, as far as the socket's words can tell.
fn is_duplicate(problem: &Problem) -> bool {
    problem.is(CONFLICT) && problem.text.to_ascii_lowercase().contains("duplicate")
}

/// Whether it is certain that nothing was begun under the id of what was refused so. An id that was used for another
/// payment is not: that one may have been paid. Neither is a conflict that says nothing we know.
pub(super) fn is_certain(problem: &Problem) -> bool {
    (problem.is(CONFLICT) && problem.text.to_ascii_lowercase().contains(BUSY))
        || [BAD_REQUEST, NOT_FOUND, FORBIDDEN, TOO_MANY_REQUESTS].iter().any(|code| problem.is(code))
        || [
            "INVALID_REQUEST",
            "UNAUTHORIZED",
            "INVALID_SIGNATURE",
            "TIMESTAMP_EXPIRED",
            "FORBIDDEN",
            "GROUP_MISMATCH",
            "NO_WEBHOOK_ENDPOINTS",
            "TERMINAL_NOT_FOUND",
            "TERMINAL_OFFLINE",
            "PAYMENT_IN_PROGRESS",
            "TOO_MANY_REQUESTS",
            "NOT_FOUND",
            "METHOD_NOT_ALLOWED",
        ]
        .iter()
        .any(|code| problem.is(code))
}
