//! What a core keeps per connection between its turns: what is to be written, and what the machine has ordered.

use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use dialects::Way;
use model::{CloseCode, Reason, Response, Route};

use crate::queue::Queue;

/// What the machine said to the upgrade, or to the call.
#[derive(Debug, Default)]
pub(crate) enum Decision {
    /// Nothing yet.
    #[default]
    Awaited,
    /// Complete it.
    Accepted,
    /// Answer so: it is refused, or the call is over. Boxed: the slot is kept small.
    Answered(Box<Response>),
}

/// One connection as its core sees it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) route: Route,
    pub(crate) peer: IpAddr,
    pub(crate) way: Way,
    pub(crate) queue: Queue,
    waker: Option<Waker>,
    pub(crate) decision: Decision,
    /// The close the machine has ordered; nothing more is queued after it.
    pub(crate) close: Option<(CloseCode, Reason)>,
    /// A new limit for messages, until the connection has taken it over.
    pub(crate) limit: Option<usize>,
    pub(crate) paused: bool,
    pub(crate) logged_in: bool,
}

impl Slot {
    pub(crate) fn new(route: Route, peer: IpAddr, way: Way) -> Self {
        Self {
            route,
            peer,
            way,
            queue: Queue::default(),
            waker: None,
            decision: Decision::default(),
            close: None,
            limit: None,
            paused: false,
            logged_in: false,
        }
    }

    /// Whether frames may still be queued.
    pub(crate) const fn takes_frames(&self) -> bool {
        self.close.is_none() && !matches!(self.decision, Decision::Answered(_))
    }

    /// Remembers whom to wake.
    pub(crate) fn park(&mut self, context: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// The decision, once there is one. Still awaited is only what never comes: the machine broke over it.
    pub(crate) fn poll_decision(&mut self, context: &Context<'_>) -> Poll<Decision> {
        match std::mem::take(&mut self.decision) {
            Decision::Awaited if self.close.is_none() => {
                self.park(context);
                Poll::Pending
            }
            decision => Poll::Ready(decision),
        }
    }
}
