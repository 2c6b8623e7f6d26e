//! The vendor's error codes: which end a login, which end a context, and which only say that it goes on.

use crate::link::{Ended, Link};
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

/// Whether a problem that names no context means that there is no point in coming back.
pub(super) fn ends_connection<K: PartialEq>(link: &Link<K>, problem: &Problem) -> Option<Ended> {
    let refuses_login = || REFUSES_LOGIN.iter().any(|code| problem.is(code));
    if problem.is(CONNECTION_REPLACED) {
        Some(Ended::Displaced)
    } else if problem.is(INVALID_CREDENTIALS) || (link.is_logging_in() && refuses_login()) {
        Some(Ended::Refused(problem.clone()))
    } else {
        None
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
