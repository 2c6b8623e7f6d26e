//! Why a stream was refused: a bounded list, each with the close code the peer is owed.

use std::fmt;

use crate::close::{Close, CloseCode};

/// Whose turn it is to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The peer broke RFC 6455; no setting of ours would have helped.
    Peer,
    /// The RFC allows it, our [`Limits`](crate::Limits) or [`Accepts`](crate::Accepts) do not.
    Policy,
}

/// What the peer sent that we do not take. After one of these nothing more is read from the stream.
///
/// `Display` is for the log; [`Error::close`] is what the peer reads; [`Error::name`] is for a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// RSV1, RSV2 or RSV3 is set, and no extension was agreed (section 5.2).
    ReservedBits,
    /// Opcodes 3 to 7 and 11 to 15 (section 5.2).
    ReservedOpcode,
    /// A ping, pong or close without FIN (section 5.5).
    ControlFragmented,
    /// A ping, pong or close of more than 125 bytes (section 5.5).
    ControlTooLong,
    /// A length in more bytes than it needs (section 5.2).
    LengthNotMinimal,
    /// A 64-bit length with its highest bit set (section 5.2).
    LengthHighBit,
    /// A client's frame without a mask (section 5.1).
    MaskMissing,
    /// A server's frame with a mask (section 5.1).
    MaskForbidden,
    /// A continuation while no message is open (section 5.4).
    NothingToContinue,
    /// A new text or binary frame before the last message ended (section 5.4).
    MessageInterrupted,
    /// A close body of one byte, half a code (section 5.5.1).
    CloseTooShort,
    /// A close code that may not be sent (section 7.4).
    CloseCodeInvalid,
    /// A close reason that is not UTF-8 (section 5.5.1).
    CloseReasonNotUtf8,
    /// A text message that is not UTF-8 (section 8.1).
    TextNotUtf8,
    /// A frame over [`Limits::frame`](crate::Limits::frame).
    FrameTooBig,
    /// A message over [`Limits::message`](crate::Limits::message).
    MessageTooBig,
    /// A message in more pieces than [`Limits::fragments`](crate::Limits::fragments).
    TooManyFragments,
    /// A binary frame where only text is taken.
    BinaryRefused,
}

impl Error {
    /// Every error there is, for tables and metrics.
    pub const ALL: [Self; 18] = [
        Self::ReservedBits,
        Self::ReservedOpcode,
        Self::ControlFragmented,
        Self::ControlTooLong,
        Self::LengthNotMinimal,
        Self::LengthHighBit,
        Self::MaskMissing,
        Self::MaskForbidden,
        Self::NothingToContinue,
        Self::MessageInterrupted,
        Self::CloseTooShort,
        Self::CloseCodeInvalid,
        Self::CloseReasonNotUtf8,
        Self::TextNotUtf8,
        Self::FrameTooBig,
        Self::MessageTooBig,
        Self::TooManyFragments,
        Self::BinaryRefused,
    ];

    /// The code to close with: 1002, 1003, 1007 or 1009 (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthHighBit
            | Self::MaskMissing
            | Self::MaskForbidden
            | Self::NothingToContinue
            | Self::MessageInterrupted
            | Self::CloseTooShort
            | Self::CloseCodeInvalid => CloseCode::PROTOCOL,
            Self::CloseReasonNotUtf8 | Self::TextNotUtf8 => CloseCode::BAD_TEXT,
            Self::FrameTooBig | Self::MessageTooBig | Self::TooManyFragments => CloseCode::TOO_BIG,
            Self::BinaryRefused => CloseCode::UNSUPPORTED,
        }
    }

    /// Whose turn it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::FrameTooBig | Self::MessageTooBig | Self::TooManyFragments | Self::BinaryRefused => Fault::Policy,
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthHighBit
            | Self::MaskMissing
            | Self::MaskForbidden
            | Self::NothingToContinue
            | Self::MessageInterrupted
            | Self::CloseTooShort
            | Self::CloseCodeInvalid
            | Self::CloseReasonNotUtf8
            | Self::TextNotUtf8 => Fault::Peer,
        }
    }

    /// A short, stable name, in the style of a metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved_bits",
            Self::ReservedOpcode => "reserved_opcode",
            Self::ControlFragmented => "control_fragmented",
            Self::ControlTooLong => "control_too_long",
            Self::LengthNotMinimal => "length_not_minimal",
            Self::LengthHighBit => "length_high_bit",
            Self::MaskMissing => "mask_missing",
            Self::MaskForbidden => "mask_forbidden",
            Self::NothingToContinue => "nothing_to_continue",
            Self::MessageInterrupted => "message_interrupted",
            Self::CloseTooShort => "close_too_short",
            Self::CloseCodeInvalid => "close_code_invalid",
            Self::CloseReasonNotUtf8 => "close_reason_not_utf8",
            Self::TextNotUtf8 => "text_not_utf8",
            Self::FrameTooBig => "frame_too_big",
            Self::MessageTooBig => "message_too_big",
            Self::TooManyFragments => "too_many_fragments",
            Self::BinaryRefused => "binary_refused",
        }
    }

    /// The close to send: the code, and a few words that tell the peer's developer what was wrong.
    #[must_use]
    pub fn close(self) -> Close<'static> {
        Close::fixed(self.close_code(), self.text())
    }

    const fn text(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bits must be 0, no extension was agreed",
            Self::ReservedOpcode => "opcode is reserved",
            Self::ControlFragmented => "control frame must not be fragmented",
            Self::ControlTooLong => "control frame must not exceed 125 bytes",
            Self::LengthNotMinimal => "length must use the fewest bytes",
            Self::LengthHighBit => "highest bit of a 64-bit length must be 0",
            Self::MaskMissing => "frame from a client must be masked",
            Self::MaskForbidden => "frame from a server must not be masked",
            Self::NothingToContinue => "continuation without a message to continue",
            Self::MessageInterrupted => "new message before the last one ended",
            Self::CloseTooShort => "close body must be empty or at least 2 bytes",
            Self::CloseCodeInvalid => "close code must not be sent",
            Self::CloseReasonNotUtf8 => "close reason is not utf-8",
            Self::TextNotUtf8 => "text is not utf-8",
            Self::FrameTooBig => "frame too big",
            Self::MessageTooBig => "message too big",
            Self::TooManyFragments => "message in too many fragments",
            Self::BinaryRefused => "only text is taken here",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_every_close_fits_its_frame() {
        let names: BTreeSet<_> = Error::ALL.iter().map(|error| error.name()).collect();
        assert_eq!(names.len(), Error::ALL.len());
        for error in Error::ALL {
            let close = error.close();
            assert_eq!(close.code(), Some(error.close_code()));
            assert!(Close::new(error.close_code(), close.reason().to_owned()).is_ok(), "{}", error.name());
        }
    }
}
