//! BOOP's codes and words, and what they mean here, exhaustive both ways.

use model::{Denied, NotAdmitted, OutcomeKind, Reason, Refusal, Taken};

/// A code in an `error`, or in the `error` of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The frame or the request cannot be right.
    InvalidRequest,
    /// Wrong id or key, or one that is good no more.
    InvalidCredentials,
    /// The palm did not match, or the authentication failed for a reason that has no code of its own.
    AuthFailed,
    /// Nobody is registered with that palm.
    AuthUserNotFound,
    /// The scan was too poor; the context is still open.
    AuthBiometricQuality,
    /// The scanner had a fault; the context is still open.
    AuthDeviceError,
    /// The context's time is over.
    AuthContextExpired,
    /// No such context, or it has ended.
    AuthContextNotFound,
    /// Too much, too fast.
    VendorRateLimit,
    /// The vendor may not do this.
    VendorPermissionDenied,
    /// The vendor may not see this attribute.
    VendorAttributeDenied,
    /// Ours: another connection has taken this one's place.
    ConnectionReplaced,
    /// Ours: log in first.
    AuthRequired,
    /// Ours: this server is going away.
    GoingAway,
    /// A fault on our side.
    InternalError,
}

impl Code {
    /// Every code there is.
    pub const ALL: [Self; 15] = [
        Self::InvalidRequest,
        Self::InvalidCredentials,
        Self::AuthFailed,
        Self::AuthUserNotFound,
        Self::AuthBiometricQuality,
        Self::AuthDeviceError,
        Self::AuthContextExpired,
        Self::AuthContextNotFound,
        Self::VendorRateLimit,
        Self::VendorPermissionDenied,
        Self::VendorAttributeDenied,
        Self::ConnectionReplaced,
        Self::AuthRequired,
        Self::GoingAway,
        Self::InternalError,
    ];

    /// As the vendor writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::AuthFailed => "AUTH_FAILED",
            Self::AuthUserNotFound => "AUTH_USER_NOT_FOUND",
            Self::AuthBiometricQuality => "AUTH_BIOMETRIC_QUALITY",
            Self::AuthDeviceError => "AUTH_DEVICE_ERROR",
            Self::AuthContextExpired => "AUTH_CONTEXT_EXPIRED",
            Self::AuthContextNotFound => "AUTH_CONTEXT_NOT_FOUND",
            Self::VendorRateLimit => "VENDOR_RATE_LIMIT",
            Self::VendorPermissionDenied => "VENDOR_PERMISSION_DENIED",
            Self::VendorAttributeDenied => "VENDOR_ATTRIBUTE_DENIED",
            Self::ConnectionReplaced => "CONNECTION_REPLACED",
            Self::AuthRequired => "AUTH_REQUIRED",
            Self::GoingAway => "GOING_AWAY",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Takes back what [`Self::name`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == text)
    }

    /// The words for people where nothing better is known.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Invalid request",
            Self::InvalidCredentials => "Authentication failed",
            Self::AuthFailed => "Palm did not match",
            Self::AuthUserNotFound => "User not found",
            Self::AuthBiometricQuality => "Scan quality too low",
            Self::AuthDeviceError => "Scanner error",
            Self::AuthContextExpired => "Context expired",
            Self::AuthContextNotFound => "Context not found",
            Self::VendorRateLimit => "Too many requests",
            Self::VendorPermissionDenied => "Not permitted",
            Self::VendorAttributeDenied => "Attribute not permitted",
            Self::ConnectionReplaced => "Another connection has replaced this one",
            Self::AuthRequired => "Authentication required",
            Self::GoingAway => "Server is going away",
            Self::InternalError => "Internal error",
        }
    }

    /// What an `error` with this code says about trying again: a scan, or later. What is false is over.
    #[must_use]
    pub const fn retry_allowed(self) -> bool {
        match self {
            Self::AuthFailed
            | Self::AuthBiometricQuality
            | Self::AuthDeviceError
            | Self::VendorRateLimit
            | Self::GoingAway
            | Self::InternalError => true,
            Self::InvalidRequest
            | Self::InvalidCredentials
            | Self::AuthUserNotFound
            | Self::AuthContextExpired
            | Self::AuthContextNotFound
            | Self::VendorPermissionDenied
            | Self::VendorAttributeDenied
            | Self::ConnectionReplaced
            | Self::AuthRequired => false,
        }
    }
}

/// A `code` in a result: what the matching found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The user did not agree to this vendor.
    VendorNotConsented,
    /// Nobody is registered with that palm.
    UserNotFound,
    /// Required attributes are not there, or not to be given out.
    UserMissingAttributes,
    /// It was taken back, by the vendor or at the scanner.
    Cancelled,
}

impl Finding {
    /// Every finding there is.
    pub(crate) const ALL: [Self; 4] =
        [Self::VendorNotConsented, Self::UserNotFound, Self::UserMissingAttributes, Self::Cancelled];

    /// As the vendor writes it.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::VendorNotConsented => "vendor-not-consented",
            Self::UserNotFound => "user-not-found",
            Self::UserMissingAttributes => "user-missing-attributes",
            Self::Cancelled => "cancelled",
        }
    }

    /// Takes back what [`Self::name`] gave.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|finding| finding.name() == text)
    }

    /// The error code that goes with it.
    #[must_use]
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::VendorNotConsented => Code::VendorPermissionDenied,
            Self::UserNotFound => Code::AuthUserNotFound,
            Self::UserMissingAttributes | Self::Cancelled => Code::AuthFailed,
        }
    }

    /// The words for people.
    #[must_use]
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::VendorNotConsented => "User has not consented to this vendor",
            Self::UserNotFound => "User not found",
            Self::UserMissingAttributes => "Required attributes are missing",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// What a peer hears, and how its socket ends, when its login is refused. Never which half was wrong.
#[must_use]
pub(crate) const fn denied(denied: Denied) -> (Code, Reason) {
    match denied {
        Denied::Unknown
        | Denied::Expired
        | Denied::Revoked
        | Denied::WrongRole
        | Denied::BadProof
        | Denied::WrongCertificate => (Code::InvalidCredentials, Reason::NotAuthenticated),
        Denied::Throttled(_) => (Code::VendorRateLimit, Reason::TooMuch),
    }
}

/// What a peer hears, and how its socket ends, when it is not let in.
#[must_use]
pub(crate) const fn not_admitted(why: NotAdmitted) -> (Code, Reason) {
    match why {
        NotAdmitted::Damped(_) => (Code::VendorRateLimit, Reason::Damped),
        NotAdmitted::Occupied => (Code::ConnectionReplaced, Reason::Displaced),
    }
}

/// What a vendor hears when its context is not accepted, code and words.
#[must_use]
pub(crate) const fn submit_refused(why: Refusal) -> (Code, &'static str) {
    match why {
        Refusal::Duplicate | Refusal::Conflict => (Code::InvalidRequest, "context_id was used before"),
        Refusal::Busy | Refusal::Full => (Code::VendorRateLimit, "Too many open contexts"),
        Refusal::Absent | Refusal::Unknown | Refusal::Foreign => (Code::AuthDeviceError, "No scanner is connected"),
        Refusal::NotFound => (Code::AuthContextNotFound, Code::AuthContextNotFound.text()),
    }
}

/// What a vendor hears when its cancel is refused.
#[must_use]
pub(crate) const fn cancel_refused(why: Refusal) -> Code {
    match why {
        Refusal::NotFound
        | Refusal::Duplicate
        | Refusal::Conflict
        | Refusal::Absent
        | Refusal::Unknown
        | Refusal::Foreign => Code::AuthContextNotFound,
        Refusal::Busy | Refusal::Full => Code::VendorRateLimit,
    }
}

/// The `reason` of `context_closed`.
#[must_use]
pub(crate) const fn closed(how: OutcomeKind) -> &'static str {
    match how {
        OutcomeKind::Completed => "completed",
        OutcomeKind::Declined | OutcomeKind::Failed => "failed",
        OutcomeKind::Expired => "expired",
        OutcomeKind::Cancelled => "cancelled",
    }
}

/// The `status` of `scan_ack`.
#[must_use]
pub(crate) const fn acknowledged(taken: Taken) -> &'static str {
    match taken {
        Taken::Ended(OutcomeKind::Completed) => "matched",
        Taken::Ended(OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::Expired | OutcomeKind::Cancelled) => {
            "rejected"
        }
        Taken::Noted | Taken::Again | Taken::Deciding => "rescan",
        Taken::Late(_) | Taken::NotYours | Taken::Contradicts => "late",
    }
}

/// What a scanner says of one scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanWord {
    /// A palm was read.
    Captured,
    /// It could not be read well enough.
    PoorQuality,
    /// The scanner itself failed.
    DeviceError,
    /// Somebody pressed cancel.
    Cancelled,
}

impl ScanWord {
    /// Every word there is.
    pub(crate) const ALL: [Self; 4] = [Self::Captured, Self::PoorQuality, Self::DeviceError, Self::Cancelled];

    /// As it is on the wire.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::PoorQuality => "poor_quality",
            Self::DeviceError => "device_error",
            Self::Cancelled => "cancelled",
        }
    }

    /// Takes back what [`Self::name`] gave.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.name() == text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_reads_back_as_itself_and_no_two_are_alike() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.name()), Some(code));
        }
        for finding in Finding::ALL {
            assert_eq!(Finding::parse(finding.name()), Some(finding));
        }
        for word in ScanWord::ALL {
            assert_eq!(ScanWord::parse(word.name()), Some(word));
        }
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn the_documented_texts_are_exact() {
        assert_eq!(Code::InvalidCredentials.text(), "Authentication failed");
        assert_eq!(Code::AuthContextExpired.text(), "Context expired");
    }
}
