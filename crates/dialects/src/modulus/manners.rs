//! What every Modulus socket must keep to: signs of life, a pace, and frames that are messages.

use std::time::Duration;

use model::{Timestamp, Window};

use super::choices::Choices;

/// How one peer behaves.
#[derive(Debug)]
pub(crate) struct Manners {
    heard_at: Timestamp,
    frames: Window,
    malformed: Window,
    told_at: Option<Timestamp>,
}

/// What becomes of a frame that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It is read.
    Fine,
    /// It is not; the peer was told a moment ago.
    Over,
    /// It is not, and the peer is told to wait so long.
    Tell(Duration),
    /// The socket is closed.
    TooMuch,
}

impl Manners {
    pub(crate) fn new(at: Timestamp, choices: &Choices) -> Self {
        Self {
            heard_at: at,
            frames: Window::new("frames", choices.rate_span, choices.frames_at_most.saturating_add(1)),
            malformed: Window::new("malformed", choices.malformed_span, choices.malformed_per_span),
            told_at: None,
        }
    }

    /// A frame of any kind has come.
    pub(crate) fn heard(&mut self, at: Timestamp, choices: &Choices) -> Pace {
        self.heard_at = at;
        let count = self.frames.add(at);
        if count > choices.frames_at_most {
            return Pace::TooMuch;
        }
        if count <= choices.frames_per_span {
            return Pace::Fine;
        }
        if self.told_at.is_some_and(|told| at.since(told) < choices.rate_span) {
            return Pace::Over;
        }
        self.told_at = Some(at);
        Pace::Tell(self.frames.room_in(at, choices.frames_per_span))
    }

    /// When the peer has been silent for too long.
    pub(crate) fn silent_at(&self, choices: &Choices) -> Timestamp {
        self.heard_at.after(choices.silent_after)
    }

    /// The frame was no message at all; true when there were too many lately.
    pub(crate) fn malformed(&mut self, at: Timestamp, choices: &Choices) -> bool {
        self.malformed.add(at) >= choices.malformed_per_span
    }
}
