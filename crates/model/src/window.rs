//! Sliding windows: how often something happened lately. Lent to a session, handed back when it ends.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Timestamp;

/// Which limit a window counts for, in the dialect's own word.
pub type WindowName = &'static str;

/// Counts what happened within the last `span`, exactly, up to a bound on what it remembers.
///
/// An idle window holds no memory: what has slid out is forgotten at the next look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    name: WindowName,
    span: Duration,
    most: u32,
    count: u32,
    runs: VecDeque<(Timestamp, u32)>,
}

impl Window {
    /// An empty window that counts up to `most` within `span`; more than that is not remembered.
    #[must_use]
    pub const fn new(name: WindowName, span: Duration, most: u32) -> Self {
        Self { name, span, most, count: 0, runs: VecDeque::new() }
    }

    /// Which limit it counts for.
    #[must_use]
    pub const fn name(&self) -> WindowName {
        self.name
    }

    /// How many happened within the span that ends at `at`.
    pub fn count(&mut self, at: Timestamp) -> u32 {
        while let Some(&(first, many)) = self.runs.front() {
            if at.since(first) < self.span {
                break;
            }
            self.count -= many;
            self.runs.pop_front();
        }
        if self.runs.is_empty() && self.runs.capacity() > 0 {
            self.runs = VecDeque::new();
        }
        self.count
    }

    /// Counts one more at `at` and says how many there are with it; stays at the bound once reached.
    pub fn add(&mut self, at: Timestamp) -> u32 {
        let count = self.count(at);
        if count >= self.most {
            return count.saturating_add(1);
        }
        match self.runs.back_mut() {
            Some((last, many)) if *last >= at => *many += 1,
            _ => self.runs.push_back((at, 1)),
        }
        self.count += 1;
        self.count
    }

    /// Takes the latest one back: what was counted turned out not to count.
    pub fn take_back(&mut self) {
        if let Some((_, many)) = self.runs.back_mut() {
            *many -= 1;
            self.count -= 1;
            if *many == 0 {
                self.runs.pop_back();
            }
        }
    }

    /// When the window will be empty if nothing more happens; none when it is.
    #[must_use]
    pub fn empty_at(&self) -> Option<Timestamp> {
        self.runs.back().map(|(last, _)| last.after(self.span))
    }

    /// How long until there is room for one more below `limit`.
    pub fn room_in(&mut self, at: Timestamp, limit: u32) -> Duration {
        let mut over = i64::from(self.count(at)) - i64::from(limit) + 1;
        for &(stamp, many) in &self.runs {
            if over <= 0 {
                break;
            }
            over -= i64::from(many);
            if over <= 0 {
                return stamp.after(self.span).since(at);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_window_slides() {
        let mut window = Window::new("contexts", Duration::from_secs(60), 100);
        assert_eq!(window.add(at(0)), 1);
        assert_eq!(window.add(at(30)), 2);
        assert_eq!(window.count(at(59)), 2);
        assert_eq!(window.count(at(60)), 1);
        assert_eq!(window.count(at(90)), 0);
        assert_eq!(window.empty_at(), None);
    }

    #[test]
    fn a_window_remembers_no_more_than_its_bound() {
        let mut window = Window::new("frames", Duration::from_secs(60), 3);
        let counts: Vec<u32> = (0..5).map(|_| window.add(at(1))).collect();
        assert_eq!(counts, [1, 2, 3, 4, 4]);
        assert_eq!(window.room_in(at(11), 3), Duration::from_secs(50));
        window.take_back();
        assert_eq!(window.count(at(1)), 2);
        assert_eq!(window.room_in(at(11), 3), Duration::ZERO);
    }
}
