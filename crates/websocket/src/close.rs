//! Close codes and the body of a close frame (RFC 6455, sections 5.5.1 and 7.4).

use std::borrow::Cow;
use std::fmt;

use crate::error::Error;
use crate::message::CONTROL_BYTES;

/// A close code that may stand in a frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
///
/// 1005, 1006 and 1015 are names for what never arrived and cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: this end goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the other end broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: a kind of data that is not taken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: text that is not UTF-8, or not what its kind promises.
    pub const BAD_TEXT: Self = Self(1007);
    /// 1008: against our policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: a client's needed extension was not agreed.
    pub const EXTENSION_NEEDED: Self = Self(1010);
    /// 1011: a fault of ours.
    pub const FAULT: Self = Self(1011);
    /// 1012: this end restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const TRY_LATER: Self = Self(1013);
    /// 1014: someone behind this end failed.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code, if it may be sent.
    ///
    /// ```
    /// use websocket::CloseCode;
    /// const DISPLACED: CloseCode = CloseCode::new(4409).expect("4000 to 4999 are ours to use");
    /// assert_eq!(DISPLACED.get(), 4409);
    /// assert_eq!(CloseCode::new(1006), None);
    /// ```
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a close frame says: nothing, a code, or a code and a reason of at most [`Close::REASON_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close<'b>(Option<(CloseCode, Cow<'b, str>)>);

impl<'b> Close<'b> {
    /// The most bytes a reason may have: 125 less the two of the code.
    pub const REASON_BYTES: usize = CONTROL_BYTES - 2;

    /// A close without code or reason.
    pub const EMPTY: Self = Self(None);

    /// A close with a code and a reason, which may be empty.
    ///
    /// # Errors
    ///
    /// [`ReasonTooLong`] when the reason has more than [`Close::REASON_BYTES`] bytes. It is not shortened.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'b, str>>) -> Result<Self, ReasonTooLong> {
        let reason = reason.into();
        if reason.len() > Self::REASON_BYTES {
            return Err(ReasonTooLong { bytes: reason.len() });
        }
        Ok(Self(Some((code, reason))))
    }

    /// A close with a code and no reason.
    #[must_use]
    pub const fn code_only(code: CloseCode) -> Self {
        Self(Some((code, Cow::Borrowed(""))))
    }

    /// A close with one of our own fixed reasons, each known to fit.
    pub(crate) const fn fixed(code: CloseCode, reason: &'static str) -> Self {
        debug_assert!(reason.len() <= Self::REASON_BYTES);
        Self(Some((code, Cow::Borrowed(reason))))
    }

    /// The code, if one was sent.
    #[must_use]
    pub fn code(&self) -> Option<CloseCode> {
        self.0.as_ref().map(|(code, _)| *code)
    }

    /// The reason, empty if none was sent.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.0.as_ref().map_or("", |(_, reason)| reason)
    }

    /// What to send back: the same code, without the reason (section 5.5.1).
    #[must_use]
    pub fn echo(&self) -> Close<'static> {
        self.code().map_or(Close::EMPTY, Close::code_only)
    }

    /// The same close, owning its reason.
    #[must_use]
    pub fn into_owned(self) -> Close<'static> {
        Close(self.0.map(|(code, reason)| (code, Cow::Owned(reason.into_owned()))))
    }

    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, reason)| 2 + reason.len())
    }

    /// Reads a whole body of at most 125 bytes.
    pub(crate) fn parse(body: &'b [u8]) -> Result<Self, Error> {
        if body.is_empty() {
            return Ok(Self::EMPTY);
        }
        let Some(code) = Self::code_of(body)? else { return Err(Error::CloseTooShort) };
        let reason = std::str::from_utf8(&body[2..]).map_err(|_| Error::CloseReasonNotUtf8)?;
        Ok(Self(Some((code, Cow::Borrowed(reason)))))
    }

    /// Refuses a body at its first bad byte, while more of it is still to come.
    pub(crate) fn check_beginning(body: &[u8]) -> Result<(), Error> {
        if Self::code_of(body)?.is_none() {
            return Ok(());
        }
        match std::str::from_utf8(&body[2..]) {
            Err(error) if error.error_len().is_some() => Err(Error::CloseReasonNotUtf8),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn code_of(body: &[u8]) -> Result<Option<CloseCode>, Error> {
        match body.first_chunk::<2>() {
            None => Ok(None),
            Some(bytes) => CloseCode::new(u16::from_be_bytes(*bytes)).map(Some).ok_or(Error::CloseCodeInvalid),
        }
    }
}

/// A close reason that does not fit into its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonTooLong {
    /// How long it was.
    pub bytes: usize,
}

impl fmt::Display for ReasonTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close reason has {} bytes, at most {} fit", self.bytes, Close::REASON_BYTES)
    }
}

impl std::error::Error for ReasonTooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_codes_that_may_be_sent_are_codes() {
        for code in 0..=u16::MAX {
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(CloseCode::new(code).map(CloseCode::get), allowed.then_some(code));
        }
    }

    #[test]
    fn a_reason_is_refused_not_shortened() {
        assert!(Close::new(CloseCode::NORMAL, "x".repeat(123)).is_ok());
        assert_eq!(Close::new(CloseCode::NORMAL, "x".repeat(124)), Err(ReasonTooLong { bytes: 124 }));
    }

    #[test]
    fn an_echo_repeats_the_code_and_not_the_reason() {
        let close = Close::new(CloseCode::GOING_AWAY, "lunch").unwrap();
        assert_eq!(close.echo(), Close::code_only(CloseCode::GOING_AWAY));
        assert_eq!(Close::EMPTY.echo(), Close::EMPTY);
    }
}
