//! How fast a peer may speak: what becomes of each of its frames.

use std::time::Duration;

use model::{Timestamp, Window};

/// The name of the window of frames.
const FRAMES: &str = "frames";

/// How many frames are too many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Within which they count.
    pub(crate) span: Duration,
    /// More are not read.
    pub(crate) read: u32,
    /// More end the connection.
    pub(crate) borne: u32,
    /// A peer over its pace is told so often.
    pub(crate) told_every: Duration,
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

/// The frames of one peer.
#[derive(Debug)]
pub(crate) struct Frames {
    window: Window,
    told_at: Option<Timestamp>,
}

impl Frames {
    pub(crate) fn new(most: Most) -> Self {
        Self { window: Self::window(most), told_at: None }
    }

    /// The window they are counted in, empty.
    pub(crate) fn window(most: Most) -> Window {
        Window::new(FRAMES, most.span, most.borne.saturating_add(1))
    }

    /// Whether a window is such a one.
    pub(crate) fn is_counted_in(window: &Window) -> bool {
        window.name() == FRAMES
    }

    /// One more has come.
    pub(crate) fn heard(&mut self, at: Timestamp, most: Most) -> Pace {
        let count = self.window.add(at);
        if count > most.borne {
            return Pace::TooMuch;
        }
        if count <= most.read {
            return Pace::Fine;
        }
        if self.told_at.is_some_and(|told| at.since(told) < most.told_every) {
            return Pace::Over;
        }
        self.told_at = Some(at);
        Pace::Tell(self.window.room_in(at, most.read))
    }

    /// Goes on with the lent window; what was counted before counts there too, as of now.
    pub(crate) fn lend(&mut self, at: Timestamp, mut lent: Window) {
        for _ in 0..self.window.count(at) {
            lent.add(at);
        }
        self.window = lent;
    }

    /// Hands the window back.
    pub(crate) fn hand_back(&mut self, most: Most) -> Window {
        std::mem::replace(&mut self.window, Self::window(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most =
        Most { span: Duration::from_secs(60), read: 1_000, borne: 2_000, told_every: Duration::from_secs(1) };

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_thousandth_frame_is_read_and_the_next_is_told_once_a_second() {
        let mut frames = Frames::new(MOST);
        assert!((0..1_000).all(|_| frames.heard(at(0), MOST) == Pace::Fine));
        assert_eq!(frames.heard(at(1), MOST), Pace::Tell(Duration::from_millis(59_999)));
        assert_eq!(frames.heard(at(1_000), MOST), Pace::Over);
        assert_eq!(frames.heard(at(1_001), MOST), Pace::Tell(Duration::from_millis(58_999)));
        assert!((1_003..2_000).all(|_| frames.heard(at(1_001), MOST) == Pace::Over));
        assert_eq!(frames.heard(at(1_001), MOST), Pace::TooMuch);
        assert_eq!(frames.heard(at(1_001), MOST), Pace::TooMuch);
    }

    #[test]
    fn what_was_counted_before_login_counts_afterwards() {
        let mut frames = Frames::new(MOST);
        frames.heard(at(0), MOST);
        let mut lent = Frames::window(MOST);
        (0..999).for_each(|_| {
            lent.add(at(0));
        });
        frames.lend(at(0), lent);
        assert_eq!(frames.heard(at(0), MOST), Pace::Tell(Duration::from_secs(60)));
    }
}
