//! What every BOOP socket must keep to: signs of life, a pace, and frames that are messages at all.

use model::{Timestamp, Window};

use super::choices::Choices;
use crate::pace::{Frames, Most, Pace};

/// How one peer behaves.
#[derive(Debug)]
pub(crate) struct Manners {
    heard_at: Timestamp,
    malformed: u32,
    frames: Frames,
}

impl Manners {
    pub(crate) fn new(at: Timestamp, choices: &Choices) -> Self {
        Self { heard_at: at, malformed: 0, frames: Frames::new(most(choices)) }
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

    /// The frame was a message.
    pub(crate) const fn message(&mut self) {
        self.malformed = 0;
    }

    /// The frame was no message at all; true when there were too many in a row.
    pub(crate) const fn malformed(&mut self, choices: &Choices) -> bool {
        self.malformed = self.malformed.saturating_add(1);
        self.malformed >= choices.malformed_in_a_row
    }

    /// The window to be lent on admission, empty.
    pub(crate) fn wanted(choices: &Choices) -> Window {
        Frames::window(most(choices))
    }

    /// Goes on with the lent window; what was counted before counts there too, as of now.
    pub(crate) fn lend(&mut self, at: Timestamp, lent: Window) {
        self.frames.lend(at, lent);
    }

    /// Whether a window is the one of frames.
    pub(crate) fn is_mine(window: &Window) -> bool {
        Frames::is_counted_in(window)
    }

    /// Hands the window back.
    pub(crate) fn hand_back(&mut self, choices: &Choices) -> Window {
        self.frames.hand_back(most(choices))
    }
}

const fn most(choices: &Choices) -> Most {
    Most {
        span: choices.rate_span,
        read: choices.frames_per_span,
        borne: choices.frames_at_most,
        told_every: choices.rate_told_every,
    }
}
