//! What every BOOP socket must keep to: signs of life, a pace, and frames that are messages at all.

use std::time::Duration;

use model::{Timestamp, Window};

use super::choices::Choices;

/// The name of the window of frames.
const FRAMES: &str = "frames";

/// How one peer behaves.
#[derive(Debug)]
pub(crate) struct Manners {
    heard_at: Timestamp,
    malformed: u32,
    frames: Window,
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
        Self { heard_at: at, malformed: 0, frames: frames(choices), told_at: None }
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
        if self.told_at.is_some_and(|told| at.since(told) < choices.rate_told_every) {
            return Pace::Over;
        }
        self.told_at = Some(at);
        Pace::Tell(self.frames.room_in(at, choices.frames_per_span))
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
        frames(choices)
    }

    /// Goes on with the lent window; what was counted before counts there too, as of now.
    pub(crate) fn lend(&mut self, at: Timestamp, mut lent: Window) {
        for _ in 0..self.frames.count(at) {
            lent.add(at);
        }
        self.frames = lent;
    }

    /// Whether a window is the one of frames.
    pub(crate) fn is_mine(window: &Window) -> bool {
        window.name() == FRAMES
    }

    /// Hands the window back.
    pub(crate) fn hand_back(&mut self, choices: &Choices) -> Window {
        std::mem::replace(&mut self.frames, frames(choices))
    }
}

fn frames(choices: &Choices) -> Window {
    Window::new(FRAMES, choices.rate_span, choices.frames_at_most.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_thousandth_frame_is_read_and_the_next_is_told_once_a_second() {
        let choices = Choices::default();
        let mut manners = Manners::new(at(0), &choices);
        assert!((0..1_000).all(|_| manners.heard(at(0), &choices) == Pace::Fine));
        assert_eq!(manners.heard(at(1), &choices), Pace::Tell(Duration::from_millis(59_999)));
        assert_eq!(manners.heard(at(1_000), &choices), Pace::Over);
        assert_eq!(manners.heard(at(1_001), &choices), Pace::Tell(Duration::from_millis(58_999)));
        assert!((1_003..2_000).all(|_| manners.heard(at(1_001), &choices) == Pace::Over));
        assert_eq!(manners.heard(at(1_001), &choices), Pace::TooMuch);
        assert_eq!(manners.heard(at(1_001), &choices), Pace::TooMuch);
    }

    #[test]
    fn what_was_counted_before_login_counts_afterwards() {
        let choices = Choices::default();
        let mut manners = Manners::new(at(0), &choices);
        manners.heard(at(0), &choices);
        let mut lent = Manners::wanted(&choices);
        (0..999).for_each(|_| {
            lent.add(at(0));
        });
        manners.lend(at(0), lent);
        assert_eq!(manners.heard(at(0), &choices), Pace::Tell(Duration::from_secs(60)));
    }
}
