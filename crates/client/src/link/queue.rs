//! Messages that wait for a login: bounded in number, each until its own time.

use std::collections::VecDeque;

use model::Timestamp;

use crate::machine::Text;

/// What waits, oldest first. `K` names what a message belongs to.
#[derive(Clone, Debug)]
pub(super) struct Queue<K> {
    waiting: VecDeque<Waiting<K>>,
}

#[derive(Clone, Debug)]
struct Waiting<K> {
    key: K,
    text: Text,
    until: Timestamp,
}

impl<K> Queue<K> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Gives false, and keeps nothing, when `most` messages wait already.
    pub(super) fn push(&mut self, key: K, text: Text, until: Timestamp, most: usize) -> bool {
        if self.waiting.len() >= most {
            return false;
        }
        self.waiting.push_back(Waiting { key, text, until });
        true
    }

    /// Takes out what has waited too long: it is never sent.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<K> {
        let mut expired = Vec::new();
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            for waiting in std::mem::take(&mut self.waiting) {
                if now >= waiting.until {
                    expired.push(waiting.key);
                } else {
                    self.waiting.push_back(waiting);
                }
            }
        }
        expired
    }

    pub(super) fn pop(&mut self) -> Option<(K, Text)> {
        self.waiting.pop_front().map(|waiting| (waiting.key, waiting.text))
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }
}

impl<K: PartialEq> Queue<K> {
    /// Takes a message back. Gives whether it was still here.
    pub(super) fn take_back(&mut self, key: &K) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.key != *key);
        self.waiting.len() < before
    }
}
