//! What a core keeps per connection between its turns: what is to be written, and what the machine has ordered.

use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

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
    pub(crate) fn new(route: Route, peer: IpAddr) -> Self {
        Self {
            route,
            peer,
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

    /// The decision, once there is one.
    pub(crate) fn poll_decision(&mut self, context: &Context<'_>) -> Poll<Result<(), Box<Response>>> {
        match std::mem::take(&mut self.decision) {
            Decision::Awaited => {
                self.park(context);
                Poll::Pending
            }
            Decision::Accepted => Poll::Ready(Ok(())),
            Decision::Answered(response) => Poll::Ready(Err(response)),
        }
    }
}
