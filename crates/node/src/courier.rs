//! What is on its way to webhook endpoints: which deliveries go out, signed anew at every try, and what becomes of each.
//!
//! The store keeps what is to be told; whoever drives this fetches what is due, makes the calls, and writes down what
//! comes of them. Killed in between, the store still has everything: an endpoint is told at least once.
//!
//! Nobody waits for a stranger's endpoint: one that took its last delivery is trusted with a few calls at a time; any
//! other gets one, and all others together no more than half of what there is room for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Delivery, EndpointId, Now, Opaque, OperationId, Post, Posted, Tried, Try, Wanted};

/// Deliveries that are on their way at once.
pub const DELIVERIES_AT_ONCE: usize = 256;
/// How many of these to one endpoint.
pub const DELIVERIES_PER_ENDPOINT: usize = 4;
/// How many of all to endpoints that did not take their last one.
pub const DELIVERIES_UNTRUSTED: usize = DELIVERIES_AT_ONCE / 2;
/// So many endpoints are trusted at most.
const TRUSTED_MOST: usize = 10_000;

/// Deliveries on their way.
#[derive(Debug)]
pub struct Courier {
    dialects: Arc<dialects::Config>,
    under_way: BTreeMap<u64, Delivery>,
    /// What must not be fetched again: under way, or not written down yet.
    busy: BTreeSet<u64>,
    /// How many calls are under way to an endpoint.
    calls: BTreeMap<EndpointId, usize>,
    /// Endpoints that took their last delivery.
    trusted: BTreeSet<EndpointId>,
    /// The endpoint that was served last.
    after: Option<EndpointId>,
}

/// What came of a try.
#[derive(Debug)]
pub struct Carried {
    /// What the store is to write down; then [`Courier::written`] is to be told.
    pub tried: Try,
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
        Self {
            dialects,
            under_way: BTreeMap::new(),
            busy: BTreeSet::new(),
            calls: BTreeMap::new(),
            trusted: BTreeSet::new(),
            after: None,
        }
    }

    /// What there is room for; none when there is no room.
    #[must_use]
    pub fn wanted(&self, now: Now) -> Option<Wanted> {
        let most = DELIVERIES_AT_ONCE.checked_sub(self.busy.len()).filter(|most| *most > 0)?;
        let patience = self.patience();
        let called = self.calls.iter().filter(|(endpoint, count)| **count >= self.limit(endpoint, patience));
        let full = called.map(|(endpoint, _)| endpoint.clone()).collect();
        let only = if patience == 0 { Some(self.trusted.clone()) } else { None };
        let (busy, after) = (self.busy.clone(), self.after.clone());
        Some(Wanted { by: now.at, busy, full, only, after, each: DELIVERIES_PER_ENDPOINT, most })
    }

    /// Takes what is due, as far as there is room, and says which calls are to be made.
    pub fn take(&mut self, now: Now, due: Vec<Delivery>) -> Vec<(u64, Post)> {
        let mut posts = Vec::new();
        for delivery in due {
            let Some(hooks) = dialects::hooks(&self.dialects, delivery.dialect) else { continue };
            let called = self.calls.get(&delivery.endpoint).copied().unwrap_or_default();
            let is_full =
                self.busy.len() >= DELIVERIES_AT_ONCE || called >= self.limit(&delivery.endpoint, self.patience());
            if is_full || self.is_telling(&delivery) || !self.busy.insert(delivery.place) {
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
            self.calls.insert(delivery.endpoint.clone(), called + 1);
            self.after = Some(delivery.endpoint.clone());
            // Its body is in the call, and in the store.
            self.under_way.insert(delivery.place, Delivery { body: Opaque::new(), ..delivery });
        }
        posts
    }

    /// A call was answered, or was not.
    pub fn answered(&mut self, now: Now, place: u64, posted: Posted) -> Option<Carried> {
        let delivery = self.under_way.remove(&place)?;
        if let Some(count) = self.calls.get_mut(&delivery.endpoint) {
            *count -= 1;
            if *count == 0 {
                self.calls.remove(&delivery.endpoint);
            }
        }
        let hooks = dialects::hooks(&self.dialects, delivery.dialect)?;
        let Delivery { endpoint, event, operation, tries, .. } = delivery;
        let tries = tries + 1;
        let then = if posted.is_taken() {
            self.trusts(endpoint.clone());
            Tried::Delivered
        } else {
            self.trusted.remove(&endpoint);
            if tries < hooks.tries { Tried::Again(now.at.after(hooks.pause)) } else { Tried::GivenUp }
        };
        Some(Carried { tried: Try { place, at: now.at, posted, then }, endpoint, event, operation, tries })
    }

    /// What came of it is written down, or cannot be: then it is due still.
    pub fn written(&mut self, place: u64) {
        self.busy.remove(&place);
    }

    fn trusts(&mut self, endpoint: EndpointId) {
        self.trusted.insert(endpoint);
        if self.trusted.len() > TRUSTED_MOST {
            self.trusted.pop_first();
        }
    }

    /// Whether the endpoint is being told something of the same operation. The store keeps the order of what it has; but an
    /// outcome that was decided just in time takes the row of a time-out away that is on its way.
    fn is_telling(&self, delivery: &Delivery) -> bool {
        let same = |other: &Delivery| other.operation == delivery.operation && other.endpoint == delivery.endpoint;
        self.under_way.values().any(same)
    }

    /// How many calls an endpoint gets at once, while so many more may go to those that are not trusted.
    fn limit(&self, endpoint: &EndpointId, patience: usize) -> usize {
        if self.trusted.contains(endpoint) { DELIVERIES_PER_ENDPOINT } else { patience.min(1) }
    }

    /// How many more calls may go to endpoints that are not trusted.
    fn patience(&self) -> usize {
        let others = self.calls.iter().filter(|(endpoint, _)| !self.trusted.contains(*endpoint));
        DELIVERIES_UNTRUSTED.saturating_sub(others.map(|(_, count)| *count).sum())
    }
}
