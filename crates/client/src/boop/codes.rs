//! The vendor's error codes: which end a login, which end a context, and which only say that it goes on.

use super::types::ContextId;
use super::wire::Incoming;
use crate::link::Ended;
use crate::login::Meaning;
use crate::problem::Problem;

/// Wrong id or key; also what a revoked key hears.
pub const INVALID_CREDENTIALS: &str = "INVALID_CREDENTIALS";
/// Another connection of the same vendor or device took this one's place.
pub const CONNECTION_REPLACED: &str = "CONNECTION_REPLACED";
/// The context's time was over.
pub const AUTH_CONTEXT_EXPIRED: &str = "AUTH_CONTEXT_EXPIRED";
/// The server knows no such context.
pub const AUTH_CONTEXT_NOT_FOUND: &str = "AUTH_CONTEXT_NOT_FOUND";
/// The server failed; what it did before that is unknown.
pub const INTERNAL_ERROR: &str = "INTERNAL_ERROR";
/// Too much, too fast. What it answers was not done.
pub const VENDOR_RATE_LIMIT: &str = "VENDOR_RATE_LIMIT";
/// What an expired context says on the vendor's page, where no code is shown.
pub const CONTEXT_EXPIRED_TEXT: &str = "Context expired";

/// Codes that refuse a login when they answer one.
const REFUSES_LOGIN: [&str; 5] =
    [INVALID_CREDENTIALS, "VENDOR_NOT_FOUND", "VENDOR_SUSPENDED", "VENDOR_INVALID_KEY", "VENDOR_PERMISSION_DENIED"];

/// Codes after which a context does not exist, whatever they say about trying again: that means a new one.
const ENDS_CONTEXT: [&str; 7] = [
    INTERNAL_ERROR,
    "AUTH_TIMEOUT",
    AUTH_CONTEXT_EXPIRED,
    AUTH_CONTEXT_NOT_FOUND,
    "VENDOR_PERMISSION_DENIED",
    "VENDOR_ATTRIBUTE_DENIED",
    "VENDOR_SUSPENDED",
];

/// What a frame means for the connection.
pub(super) fn meaning(frame: &str, is_logging_in: bool) -> Meaning {
    match Incoming::parse(frame) {
        Ok(Incoming::Authenticated) if is_logging_in => Meaning::LoggedIn,
        Ok(Incoming::LoginRefused(problem)) if is_logging_in => Meaning::Refused(problem),
        Ok(Incoming::Pong) => Meaning::Pong,
        Ok(Incoming::Error(context_id, problem)) => about_connection(context_id.as_ref(), &problem, is_logging_in),
        Ok(_) | Err(_) => Meaning::Nothing,
    }
}

/// What an error means for the connection. One that names a context does not end it.
pub(super) fn about_connection(context_id: Option<&ContextId>, problem: &Problem, is_logging_in: bool) -> Meaning {
    let refuses_login = || is_logging_in && REFUSES_LOGIN.iter().any(|code| problem.is(code));
    match problem.retry_after {
        _ if context_id.is_none() && problem.is(CONNECTION_REPLACED) => Meaning::Ends(Ended::Displaced),
        _ if context_id.is_none() && (problem.is(INVALID_CREDENTIALS) || refuses_login()) => {
            Meaning::Ends(Ended::Refused(problem.clone()))
        }
        Some(time) => Meaning::StayAway(time),
        None => Meaning::Nothing,
    }
}

/// What a problem with a context's id may be the answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The context only.
    Create,
    /// The context, or the wish to take it back.
    CreateAndCancel,
}

/// Whether a problem with a context's id is the last word about it.
pub(super) fn ends_context(problem: &Problem, asked: Asked) -> bool {
    if problem.is(VENDOR_RATE_LIMIT) {
        // After a cancel it may be the cancel that was too much: the context lives, and may still be paid.
        return asked == Asked::Create;
    }
    !problem.retry_allowed || ENDS_CONTEXT.iter().any(|code| problem.is(code))
}

/// Whether it says that the context's time was over.
pub(super) fn says_expired(problem: &Problem) -> bool {
    problem.is(AUTH_CONTEXT_EXPIRED) || problem.text == CONTEXT_EXPIRED_TEXT
}
