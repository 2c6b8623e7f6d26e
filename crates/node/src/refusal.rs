//! Ends that come before a socket is there, as HTTP says them, in the one form of the gateway's own errors.

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
        | Reason::Dismissed
        | Reason::Drained
        | Reason::Reloaded
        | Reason::Finished => 503,
    };
    let mut response = error(status, reason.label(), told(reason));
    if status == 429 || status == 503 {
        response.headers.push(("retry-after", "1".to_owned()));
    }
    response
}

/// An error in JSON. `code` and `message` are fixed texts that need no escapes.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Response {
    Response::json(status, format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#))
}

/// The same for a person.
const fn told(reason: Reason) -> &'static str {
    match reason {
        Reason::NotAuthenticated => "who asks has not been proved",
        Reason::Revoked => "these credentials are good no more",
        Reason::NotPermitted => "these credentials do not permit it",
        Reason::Displaced => "another connection has taken this one's place",
        Reason::TooMuch | Reason::Damped => "too much at once, come back later",
        Reason::Silent | Reason::SilentBeforeLogin => "nothing was said in time",
        Reason::Malformed | Reason::Binary | Reason::BadText | Reason::Protocol => "this cannot be read",
        Reason::TooBig => "this is longer than is taken here",
        Reason::Fault => "the gateway failed at this request",
        Reason::PeerClosed | Reason::PeerLost | Reason::Slow | Reason::Finished => "the session is over",
        Reason::Dismissed => "an operator ended the session",
        Reason::Drained | Reason::Reloaded => "come back soon",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_code_and_a_message() {
        let response = refusal(Reason::Revoked);
        assert_eq!(response.status, 401);
        assert_eq!(response.body, r#"{"error":{"code":"revoked","message":"these credentials are good no more"}}"#);
    }
}
