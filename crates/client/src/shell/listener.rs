//! Who hears a machine's events, and how fast.

use std::collections::VecDeque;

use tokio::sync::mpsc;

/// Hears events. Any function does; one that cannot keep up can hold the reading back.
pub trait Listener<E>: Send {
    /// Hears an event.
    fn tell(&mut self, event: E);

    /// Resolves when more may be told. While it does not, nothing is read from the server.
    fn ready(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

impl<E, F: FnMut(E) + Send> Listener<E> for F {
    fn tell(&mut self, event: E) {
        self(event);
    }
}

/// Hands events over one by one, none dropped: a slow listener slows the server down.
pub(crate) struct Paced<E> {
    to: mpsc::Sender<E>,
    /// What one read brought and the channel did not take; nothing is read until it is gone.
    waiting: VecDeque<E>,
}

impl<E> Paced<E> {
    pub(crate) fn new(to: mpsc::Sender<E>) -> Self {
        Self { to, waiting: VecDeque::new() }
    }
}

impl<E: Send> Listener<E> for Paced<E> {
    fn tell(&mut self, event: E) {
        self.waiting.push_back(event);
        while let Ok(room) = self.to.try_reserve() {
            let Some(event) = self.waiting.pop_front() else { return };
            room.send(event);
        }
        if self.to.is_closed() {
            self.waiting.clear();
        }
    }

    async fn ready(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(room) = self.to.reserve().await else { return self.waiting.clear() };
            let Some(event) = self.waiting.pop_front() else { return };
            room.send(event);
        }
    }
}
