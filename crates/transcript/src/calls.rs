//! HTTP calls of ours on the World's stage: who waits for their answers and how long, and what is carried to webhook
//! endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::{CallId, Now, Post, Posted, Route, Secret, Timestamp};
use node::Courier;
use store::{Store, StoreError};

/// A call of ours as its receiver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Where it came to, whole.
    pub url: String,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// What it says.
    pub body: Bytes,
}

impl Posting {
    pub(crate) fn of(post: &Post) -> Self {
        let json = ("content-type".to_owned(), "application/json".to_owned());
        let headers = post.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Self {
            url: post.url.to_string(),
            headers: std::iter::once(json).chain(headers).collect(),
            body: post.body.clone(),
        }
    }
}

/// Who made a call.
#[derive(Clone, Copy)]
pub(crate) enum Caller {
    Session { route: Route, call: CallId },
    Courier { place: u64 },
}

/// Calls of ours, by their numbers.
pub(crate) struct Calls {
    courier: Courier,
    /// Something may be due for webhook endpoints.
    stirred: bool,
    /// When something is, otherwise.
    next: Option<Timestamp>,
    waiting: BTreeMap<u64, (Caller, Timestamp)>,
    /// Counts calls and secrets.
    made: u64,
}

impl Calls {
    pub(crate) const fn new(dialects: Arc<dialects::Config>) -> Self {
        Self { courier: Courier::new(dialects), stirred: true, next: None, waiting: BTreeMap::new(), made: 0 }
    }

    /// Killed: nobody waits any more.
    pub(crate) fn forget(&mut self, dialects: Arc<dialects::Config>) {
        *self = Self { made: self.made, ..Self::new(dialects) };
    }

    /// Something may be due.
    pub(crate) const fn stir(&mut self) {
        self.stirred = true;
    }

    /// When something happens by itself.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.values().map(|(_, until)| *until).chain(self.next).min()
    }

    /// A secret that differs from all before.
    pub(crate) fn draw(&mut self) -> Secret {
        self.made += 1;
        Secret::new(&format!("{:064x}", self.made))
    }

    /// A call is made; its number.
    pub(crate) fn make(&mut self, now: Now, caller: Caller, post: &Post) -> u64 {
        self.made += 1;
        self.waiting.insert(self.made, (caller, now.at.after(post.within)));
        self.made
    }

    /// A call that has taken too long.
    pub(crate) fn late(&self, now: Now) -> Option<u64> {
        self.waiting.iter().find(|(_, (_, until))| *until <= now.at).map(|(number, _)| *number)
    }

    /// A call is answered: who waited for that, if anybody still does.
    pub(crate) fn answered(&mut self, number: u64) -> Option<Caller> {
        self.waiting.remove(&number).map(|(caller, _)| caller)
    }

    /// Writes down what came of a delivery.
    pub(crate) fn carried(
        &mut self,
        now: Now,
        store: &mut dyn Store,
        place: u64,
        posted: Posted,
    ) -> Result<(), StoreError> {
        self.stirred = true;
        let Some(carried) = self.courier.answered(now, place, posted) else { return Ok(()) };
        self.courier.written(place);
        store.tried(&[carried.tried])
    }

    /// What goes out now.
    pub(crate) fn due(&mut self, now: Now, store: &dyn Store) -> Result<Vec<(u64, Post)>, StoreError> {
        if !self.stirred && self.next.is_none_or(|at| at > now.at) {
            return Ok(Vec::new());
        }
        self.stirred = false;
        self.next = None;
        let Some(wanted) = self.courier.wanted(now) else { return Ok(Vec::new()) };
        let due = store.due(&wanted)?;
        self.next = due.next;
        Ok(self.courier.take(now, due.deliveries))
    }
}
