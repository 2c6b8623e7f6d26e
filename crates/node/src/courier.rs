//! What is on its way to webhook endpoints: which deliveries go out, signed anew at every try, and what becomes of each.
//!
//! The store keeps what is to be told; whoever drives this fetches what is due, makes the calls, and writes down what
//! comes of them. Killed in between, the store still has everything: an endpoint is told at least once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Delivery, EndpointId, Now, OperationId, Post, Posted, Tried};

/// Deliveries that are on their way at once.
pub const DELIVERIES_AT_ONCE: usize = 256;
/// How many of these to one endpoint.
pub const DELIVERIES_PER_ENDPOINT: usize = 4;

/// Deliveries on their way.
#[derive(Debug)]
pub struct Courier {
    dialects: Arc<dialects::Config>,
    under_way: BTreeMap<u64, Delivery>,
    busy: BTreeSet<u64>,
}

/// What came of a try.
#[derive(Debug)]
pub struct Carried {
    /// The delivery's number.
    pub place: u64,
    /// What the store is to write down.
    pub tried: Tried,
    /// What the endpoint said.
    pub posted: Posted,
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// The event's id.
    pub event: Box<str>,
    /// Of which operation.
    pub operation: OperationId,
    /// How often it was tried.
    pub tries: u32,
}

impl Courier {
    /// Nothing is on its way.
    #[must_use]
    pub const fn new(dialects: Arc<dialects::Config>) -> Self {
        Self { dialects, under_way: BTreeMap::new(), busy: BTreeSet::new() }
    }

    /// What is on its way.
    #[must_use]
    pub const fn busy(&self) -> &BTreeSet<u64> {
        &self.busy
    }

    /// Takes what is due, as far as there is room, and says which calls are to be made.
    pub fn take(&mut self, now: Now, due: Vec<Delivery>) -> Vec<(u64, Post)> {
        let mut posts = Vec::new();
        for delivery in due {
            if self.busy.len() >= DELIVERIES_AT_ONCE {
                break;
            }
            let Some(hooks) = dialects::hooks(&self.dialects, delivery.dialect) else { continue };
            if !self.busy.insert(delivery.place) {
                continue;
            }
            let post = Post {
                url: delivery.url.clone(),
                headers: (hooks.sign)(&delivery.secret, now.wall, &delivery.body),
                body: bytes::Bytes::copy_from_slice(&delivery.body),
                within: hooks.within,
                anywhere: hooks.anywhere,
            };
            posts.push((delivery.place, post));
            // Its body is in the call, and in the store.
            self.under_way.insert(delivery.place, Delivery { body: model::Opaque::new(), ..delivery });
        }
        posts
    }

    /// A call was answered, or was not.
    pub fn answered(&mut self, now: Now, place: u64, posted: Posted) -> Option<Carried> {
        let delivery = self.under_way.remove(&place)?;
        self.busy.remove(&place);
        let hooks = dialects::hooks(&self.dialects, delivery.dialect)?;
        let tries = delivery.tries + 1;
        let tried = if posted.is_taken() {
            Tried::Delivered
        } else if tries < hooks.tries {
            Tried::Again(now.at.after(hooks.pause))
        } else {
            Tried::GivenUp
        };
        let Delivery { endpoint, event, operation, .. } = delivery;
        Some(Carried { place, tried, posted, endpoint, event, operation, tries })
    }
}
