//! Close codes as peers see them and reasons as operators count them.

use std::fmt;

/// A WebSocket close code. Ours answer one question for the peer: now, later, with other keys, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// Done; nothing is wrong.
    pub const NORMAL: Self = Self(1000);
    /// We are going away: come back soon, to us or another node.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the framing rules.
    pub const PROTOCOL: Self = Self(1002);
    /// The peer sent binary where only text is spoken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Text that is not UTF-8, or not the dialect's JSON, too often.
    pub const BAD_TEXT: Self = Self(1007);
    /// A rule of ours was broken that has no better code.
    pub const POLICY: Self = Self(1008);
    /// A message over the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// Our fault.
    pub const FAULT: Self = Self(1011);
    /// Come back later.
    pub const TRY_LATER: Self = Self(1013);
    /// Come back with other credentials.
    pub const NOT_AUTHENTICATED: Self = Self(4401);
    /// These credentials may not do this; never come back with them.
    pub const NOT_PERMITTED: Self = Self(4403);
    /// The peer was silent too long; come back now.
    pub const SILENT: Self = Self(4408);
    /// Another session took this one's place; stop.
    pub const DISPLACED: Self = Self(4409);
    /// Too much, too fast; come back later.
    pub const TOO_MUCH: Self = Self(4429);
}

/// Why a connection ended: one bounded word for metric label, log field and event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The peer closed with a proper close frame.
    PeerClosed,
    /// The connection ended without a close frame: reset, cable, crash.
    PeerLost,
    /// No login in time.
    SilentBeforeLogin,
    /// No sign of life in time.
    Silent,
    /// The credentials were wrong, expired or revoked before login.
    NotAuthenticated,
    /// The credentials are right but not for this.
    NotPermitted,
    /// Another session took its place.
    Displaced,
    /// The newcomer was held off: too many takeovers.
    Damped,
    /// Too many messages or requests.
    TooMuch,
    /// Too many frames in a row that were not the dialect's.
    Malformed,
    /// A binary frame on a text-only dialect.
    Binary,
    /// Text that is not UTF-8.
    BadText,
    /// A message over the limit.
    TooBig,
    /// Framing rules broken.
    Protocol,
    /// The peer did not read its answers.
    Slow,
    /// The credential was revoked while connected.
    Revoked,
    /// An operator ended it.
    Dismissed,
    /// We are draining.
    Drained,
    /// A partition lost its store and was reloaded.
    Reloaded,
    /// A fault of ours.
    Fault,
    /// The client side ended it on purpose.
    Finished,
}

impl Reason {
    /// Every reason there is, for tables and metrics.
    pub const ALL: [Self; 21] = [
        Self::PeerClosed,
        Self::PeerLost,
        Self::SilentBeforeLogin,
        Self::Silent,
        Self::NotAuthenticated,
        Self::NotPermitted,
        Self::Displaced,
        Self::Damped,
        Self::TooMuch,
        Self::Malformed,
        Self::Binary,
        Self::BadText,
        Self::TooBig,
        Self::Protocol,
        Self::Slow,
        Self::Revoked,
        Self::Dismissed,
        Self::Drained,
        Self::Reloaded,
        Self::Fault,
        Self::Finished,
    ];

    /// The word in metrics, logs, close frames and transcripts.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerLost => "peer_lost",
            Self::SilentBeforeLogin => "silent_before_login",
            Self::Silent => "silent",
            Self::NotAuthenticated => "not_authenticated",
            Self::NotPermitted => "not_permitted",
            Self::Displaced => "displaced",
            Self::Damped => "damped",
            Self::TooMuch => "too_much",
            Self::Malformed => "malformed",
            Self::Binary => "binary",
            Self::BadText => "bad_text",
            Self::TooBig => "too_big",
            Self::Protocol => "protocol",
            Self::Slow => "slow",
            Self::Revoked => "revoked",
            Self::Dismissed => "closed_by_operator",
            Self::Drained => "drained",
            Self::Reloaded => "reloaded",
            Self::Fault => "fault",
            Self::Finished => "finished",
        }
    }

    /// The close code that goes with the reason, unless a dialect has its own.
    #[must_use]
    pub const fn code(self) -> CloseCode {
        match self {
            Self::PeerClosed | Self::PeerLost | Self::Finished => CloseCode::NORMAL,
            Self::SilentBeforeLogin | Self::Silent => CloseCode::SILENT,
            Self::NotAuthenticated | Self::Revoked => CloseCode::NOT_AUTHENTICATED,
            Self::NotPermitted => CloseCode::NOT_PERMITTED,
            Self::Displaced => CloseCode::DISPLACED,
            Self::Damped | Self::TooMuch => CloseCode::TOO_MUCH,
            Self::Malformed | Self::BadText => CloseCode::BAD_TEXT,
            Self::Binary => CloseCode::UNSUPPORTED,
            Self::TooBig => CloseCode::TOO_BIG,
            Self::Protocol => CloseCode::PROTOCOL,
            Self::Slow => CloseCode::POLICY,
            Self::Drained => CloseCode::GOING_AWAY,
            Self::Dismissed | Self::Reloaded => CloseCode::TRY_LATER,
            Self::Fault => CloseCode::FAULT,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
