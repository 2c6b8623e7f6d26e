//! Ends that come before a socket is there, as HTTP says them.

use model::{Reason, Response};

/// What a peer hears whose session ended for that reason before its upgrade was answered.
pub(crate) fn refusal(reason: Reason) -> Response {
    let status = match reason {
        Reason::NotAuthenticated | Reason::Revoked => 401,
        Reason::NotPermitted => 403,
        Reason::Displaced => 409,
        Reason::TooMuch | Reason::Damped => 429,
        Reason::Silent
        | Reason::SilentBeforeLogin
        | Reason::Malformed
        | Reason::Binary
        | Reason::BadText
        | Reason::TooBig
        | Reason::Protocol => 400,
        Reason::Fault => 500,
        Reason::PeerClosed
        | Reason::PeerLost
        | Reason::Slow
        | Reason::Drained
        | Reason::Reloaded
        | Reason::Finished => 503,
    };
    let mut response = Response::json(status, format!(r#"{{"error":"{reason}"}}"#));
    if status == 429 || status == 503 {
        response.headers.push(("retry-after", "1".to_owned()));
    }
    response
}
