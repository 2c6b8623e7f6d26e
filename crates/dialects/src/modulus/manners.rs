//! What every Modulus socket must keep to: signs of life, a pace, and frames that are messages.

use model::{Timestamp, Window};

use super::choices::Choices;
use crate::pace::{Frames, Most, Pace};

/// How one peer behaves.
#[derive(Debug)]
pub(crate) struct Manners {
    heard_at: Timestamp,
    frames: Frames,
    malformed: Window,
}

impl Manners {
    pub(crate) fn new(at: Timestamp, choices: &Choices) -> Self {
        let malformed = Window::new("malformed", choices.malformed_span, choices.malformed_per_span);
        Self { heard_at: at, frames: Frames::new(most(choices)), malformed }
    }

    /// A frame of any kind has come.
    pub(crate) fn heard(&mut self, at: Timestamp, choices: &Choices) -> Pace {
        self.heard_at = at;
        self.frames.heard(at, most(choices))
    }

    /// When the peer has been silent for too long.
    pub(crate) fn silent_at(&self, choices: &Choices) -> Timestamp {
        self.heard_at.after(choices.silent_after)
    }

    /// The frame was no message at all, or one nobody can believe; true when there were too many lately.
    pub(crate) fn malformed(&mut self, at: Timestamp, choices: &Choices) -> bool {
        self.malformed.add(at) >= choices.malformed_per_span
    }
}

const fn most(choices: &Choices) -> Most {
    Most {
        span: choices.rate_span,
        read: choices.frames_per_span,
        borne: choices.frames_at_most,
        told_every: choices.rate_span,
    }
}
