//! Closed loops of pings: every seat has so many on their way, and sends the next when one is answered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::dialect::Dialect;
use super::super::times::Times;
use super::super::words::Word;
use super::super::worker::Share;

/// Pings of some seats.
pub(super) struct Pings {
    frame: Vec<u8>,
    /// When what is on its way was sent, by seat.
    sent: Vec<VecDeque<Instant>>,
    /// The least time between two pings of a seat; none for at once.
    pace: Duration,
    /// Seats whose next ping is due later.
    due: VecDeque<(Instant, usize)>,
    pub(super) times: Times,
    pub(super) answered: u64,
}

impl Pings {
    pub(super) fn new(dialect: Dialect, seats: usize, pace: Duration) -> Self {
        Self {
            frame: dialect.ping(),
            sent: vec![VecDeque::new(); seats],
            pace,
            due: VecDeque::new(),
            times: Times::default(),
            answered: 0,
        }
    }

    /// The first pings of a seat.
    pub(super) fn begin(&mut self, share: &mut Share, seat: usize, in_flight: usize) {
        let now = Instant::now();
        (0..in_flight).for_each(|_| self.send(share, seat, now));
    }

    /// Forgets what was counted.
    pub(super) fn restart(&mut self) {
        self.times = Times::default();
        self.answered = 0;
    }

    /// Takes what was heard in one look.
    pub(super) fn hear(&mut self, share: &mut Share, heard: &[(usize, Word)]) {
        let now = Instant::now();
        for (seat, word) in heard {
            match word {
                Word::Pong => {
                    let Some(sent) = self.sent.get_mut(*seat).and_then(VecDeque::pop_front) else { continue };
                    self.times.add(now.saturating_duration_since(sent));
                    self.answered += 1;
                    if self.pace.is_zero() {
                        self.send(share, *seat, now);
                    } else {
                        self.due.push_back((now + self.pace, *seat));
                    }
                }
                Word::Lost if *seat < self.sent.len() => share.failed("session lost"),
                Word::Closed(code) if *seat < self.sent.len() => share.failed(format!("closed with {code}")),
                Word::Error if *seat < self.sent.len() => share.failed("error instead of pong"),
                _ => {}
            }
        }
        while let Some((_, seat)) = self.due.pop_front_if(|(at, _)| *at <= now) {
            self.send(share, seat, now);
        }
    }

    fn send(&mut self, share: &mut Share, seat: usize, now: Instant) {
        if let Some(sent) = self.sent.get_mut(seat) {
            sent.push_back(now);
            share.crowd.send(seat, &self.frame);
        }
    }
}
