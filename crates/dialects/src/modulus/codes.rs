//! Modulus' error codes and texts, and how they follow from what the house says.

use model::{Denied, NotAdmitted, Reason, Refusal};

/// A code of the HTTP error table, used for refused upgrades too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No key, or one nobody knows.
    Unauthorized,
    /// The signature does not fit.
    InvalidSignature,
    /// The signature's time is too far from ours.
    TimestampExpired,
    /// The key is right but not for this.
    Forbidden,
    /// Something of another group, or for keys of tills only.
    GroupMismatch,
    /// No such terminal in the group.
    TerminalNotFound,
    /// The terminal is known but not connected.
    TerminalOffline,
    /// No such transaction in the group.
    TransactionNotFound,
    /// Nothing is served under this path.
    NotFound,
    /// The path is served, but not with this method.
    MethodNotAllowed,
    /// Something about the request cannot be right.
    InvalidRequest,
    /// The result should go to a webhook, and the group has none.
    NoWebhookEndpoints,
    /// No such webhook endpoint in the group.
    EndpointNotFound,
    /// The group has as many webhook endpoints as it may.
    EndpointLimitReached,
    /// The webhook endpoint did not take its ping.
    EndpointValidationFailed,
    /// The terminal has an unfinished payment.
    PaymentInProgress,
    /// The transaction id was used for something else.
    DuplicateTransaction,
    /// Too many connections or payments for now.
    TooManyRequests,
    /// A fault of ours.
    InternalError,
    /// We are going away, or starting again.
    Unavailable,
    /// The terminal did not answer within the call's wait.
    Timeout,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Unauthorized,
        Self::InvalidSignature,
        Self::TimestampExpired,
        Self::Forbidden,
        Self::GroupMismatch,
        Self::TerminalNotFound,
        Self::TerminalOffline,
        Self::TransactionNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::InvalidRequest,
        Self::NoWebhookEndpoints,
        Self::EndpointNotFound,
        Self::EndpointLimitReached,
        Self::EndpointValidationFailed,
        Self::PaymentInProgress,
        Self::DuplicateTransaction,
        Self::TooManyRequests,
        Self::InternalError,
        Self::Unavailable,
        Self::Timeout,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::TimestampExpired => "TIMESTAMP_EXPIRED",
            Self::Forbidden => "FORBIDDEN",
            Self::GroupMismatch => "GROUP_MISMATCH",
            Self::TerminalNotFound => "TERMINAL_NOT_FOUND",
            Self::TerminalOffline => "TERMINAL_OFFLINE",
            Self::TransactionNotFound => "TRANSACTION_NOT_FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::NoWebhookEndpoints => "NO_WEBHOOK_ENDPOINTS",
            Self::EndpointNotFound => "ENDPOINT_NOT_FOUND",
            Self::EndpointLimitReached => "ENDPOINT_LIMIT_REACHED",
            Self::EndpointValidationFailed => "ENDPOINT_VALIDATION_FAILED",
            Self::PaymentInProgress => "PAYMENT_IN_PROGRESS",
            Self::DuplicateTransaction => "DUPLICATE_TRANSACTION",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::InternalError => "INTERNAL_ERROR",
            Self::Unavailable => "SERVICE_UNAVAILABLE",
            Self::Timeout => "TIMEOUT",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::NoWebhookEndpoints => 400,
            Self::Unauthorized | Self::InvalidSignature | Self::TimestampExpired => 401,
            Self::Forbidden | Self::GroupMismatch => 403,
            Self::TerminalNotFound | Self::TransactionNotFound | Self::EndpointNotFound | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::PaymentInProgress | Self::DuplicateTransaction | Self::EndpointLimitReached => 409,
            Self::EndpointValidationFailed => 422,
            Self::TooManyRequests => 429,
            Self::InternalError => 500,
            Self::TerminalOffline | Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// The words beside it, where nothing better is known.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unauthorized => "Invalid or missing API key",
            Self::InvalidSignature => "The signature does not match the request",
            Self::TimestampExpired => "x-timestamp must be an ISO 8601 instant within 5 minutes of the server's time",
            Self::Forbidden => "The API key is not authorized for this",
            Self::GroupMismatch => "The API key does not belong to this group",
            Self::TerminalNotFound => "No such terminal in this group",
            Self::TerminalOffline => "The terminal is not connected",
            Self::TransactionNotFound => "No such transaction in this group",
            Self::NotFound => "Nothing is served under this path",
            Self::MethodNotAllowed => "The path is not served with this method",
            Self::InvalidRequest => "The request cannot be right",
            Self::NoWebhookEndpoints => "The group has no active webhook endpoint",
            Self::EndpointNotFound => "No such webhook endpoint in this group",
            Self::EndpointLimitReached => "The group has as many webhook endpoints as it may have",
            Self::EndpointValidationFailed => "The webhook endpoint did not answer its ping with a success",
            Self::PaymentInProgress => "Payment already in progress",
            Self::DuplicateTransaction => "Duplicate transactionId with different content",
            Self::TooManyRequests => "Too many requests, come back later",
            Self::InternalError => "Internal error",
            Self::Unavailable => "Going away, come back soon",
            Self::Timeout => "No answer from the terminal yet; look the transaction up before trying again",
        }
    }
}

/// What a peer hears when its key is not accepted. Never which half was wrong, but for a signature.
#[must_use]
pub(crate) const fn denied(denied: Denied) -> Code {
    match denied {
        Denied::Unknown | Denied::Expired | Denied::Revoked | Denied::WrongCertificate => Code::Unauthorized,
        Denied::WrongRole => Code::GroupMismatch,
        Denied::BadProof => Code::InvalidSignature,
        Denied::Throttled(_) => Code::TooManyRequests,
    }
}

/// What a peer hears when it is not let in.
#[must_use]
pub(crate) const fn not_admitted(why: NotAdmitted) -> Code {
    match why {
        NotAdmitted::Damped(_) | NotAdmitted::Occupied => Code::TooManyRequests,
    }
}

/// What a till hears when its payment is not accepted.
#[must_use]
pub(crate) const fn refused(why: Refusal) -> Code {
    match why {
        Refusal::Duplicate | Refusal::Conflict => Code::DuplicateTransaction,
        Refusal::Busy => Code::PaymentInProgress,
        Refusal::Absent => Code::TerminalOffline,
        Refusal::Unknown => Code::TerminalNotFound,
        Refusal::Foreign => Code::GroupMismatch,
        Refusal::NotFound => Code::TransactionNotFound,
        Refusal::Full => Code::TooManyRequests,
    }
}

/// An error on the socket: its title, its text, and the status of the same error over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) status: u16,
}

impl Told {
    /// Something about a message cannot be right.
    pub(crate) const fn bad(text: &'static str) -> Self {
        Self { title: "Bad Request", text, status: 400 }
    }

    /// Too fast.
    pub(crate) const TOO_MANY: Self = Self { title: "Too Many Requests", text: "Too many messages", status: 429 };
}

/// What a till hears on its socket when its payment is not accepted; four of these texts are the vendor's.
#[must_use]
pub(crate) const fn refused_on_socket(why: Refusal) -> Told {
    match why {
        Refusal::Absent | Refusal::Unknown | Refusal::NotFound => {
            Told { title: "Not Found", text: "Terminal connection not found", status: 404 }
        }
        Refusal::Foreign => {
            Told { title: "Forbidden", text: "Cannot send message to connection in different group", status: 403 }
        }
        Refusal::Busy => Told { title: "Conflict", text: Code::PaymentInProgress.text(), status: 409 },
        Refusal::Duplicate | Refusal::Conflict => {
            Told { title: "Conflict", text: Code::DuplicateTransaction.text(), status: 409 }
        }
        Refusal::Full => Told { title: "Too Many Requests", text: Code::TooManyRequests.text(), status: 429 },
    }
}

/// The `reason` and `message` of `forceDisconnect`.
#[must_use]
pub(crate) const fn farewell(reason: Reason) -> Option<(&'static str, &'static str)> {
    match reason {
        Reason::Displaced => Some(("NEW_CONNECTION", "replaced by a newer connection")),
        Reason::Revoked => Some(("KEY_REVOKED", "the API key was revoked")),
        Reason::Dismissed => Some(("CLOSED_BY_OPERATOR", "an operator closed this connection")),
        Reason::Drained => Some(("SERVER_SHUTDOWN", "the gateway is going away")),
        Reason::Reloaded | Reason::Fault => Some(("SERVER_RESTART", "come back soon")),
        Reason::PeerClosed
        | Reason::PeerLost
        | Reason::SilentBeforeLogin
        | Reason::Silent
        | Reason::NotAuthenticated
        | Reason::NotPermitted
        | Reason::Damped
        | Reason::TooMuch
        | Reason::Malformed
        | Reason::Binary
        | Reason::BadText
        | Reason::TooBig
        | Reason::Protocol
        | Reason::Slow
        | Reason::Finished => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_texts_are_verbatim() {
        let told = |why| refused_on_socket(why).text;
        assert_eq!(told(Refusal::Absent), "Terminal connection not found");
        assert_eq!(told(Refusal::Foreign), "Cannot send message to connection in different group");
    }

    #[test]
    fn names_are_told_apart() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert!(Code::ALL[..index].iter().all(|other| other.name() != code.name()), "{code:?}");
        }
    }
}
