//! The operators' API: what operators of any dialect see and do, under `/tillgate/v1`, with Bearer keys.
//!
//! It decides nothing about peers: stored things are read from the store, live things are looked at in the cores or told
//! to them as inputs, and what follows is heard from the events that everybody hears.

mod access;
mod document;
mod events;
mod keys;
mod live;
mod operations;
mod page;
mod problem;
mod ring;

use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use hyper::body::Incoming;
use model::Now;
use node::{Directory, Throttle};
use prometheus_client::metrics::gauge::Gauge;
use store::{Store, StoreError};
use tokio::sync::oneshot;
use tower_service::Service;
use utoipa::IntoResponses;

use crate::core::Core;
use crate::inbox::Letter;
use crate::machine::Machine;
use crate::running::House;
use crate::settings::Settings;
use crate::storage::{Job, Ledger, StoreDesk};

pub(crate) use access::Caller;
pub use access::Scope;
pub use keys::{Mint, MintError, Minted, NewKey};
use problem::Problem;
use ring::Ring;

/// The longest body.
const BODY_MOST: usize = 16 * 1024;
/// How long a core or the store may take for its part.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// How long an operator that hears events may not read.
pub(crate) const UNREAD_MOST: Duration = Duration::from_secs(90);
/// The type of an answer that goes on.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

const ROOT: &str = "/tillgate/v1";

/// How long an answer may take beyond what any may: it waits, and then asks a core or the store, a few times.
pub(crate) fn patience(settings: &Settings) -> Duration {
    settings.operator_wait_most + 4 * ANSWERED_WITHIN
}

/// Whether a path is one of the operators'.
pub(crate) fn is_theirs(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What requests of all cores share.
pub(crate) struct Office {
    /// Tells this process from the one before, in ids that do not outlive it.
    start: u64,
    pub(crate) ring: Ring,
    pub(crate) mint: Option<Mint>,
    directory: Mutex<Arc<Directory>>,
    throttle: Mutex<Throttle>,
}

impl Office {
    pub(crate) fn new(now: Now, settings: &Settings) -> Self {
        Self {
            start: now.wall.millis(),
            ring: Ring::new(settings.operator_events_kept),
            mint: None,
            directory: Mutex::default(),
            throttle: Mutex::default(),
        }
    }

    /// Credentials changed; listeners look whether theirs is still good.
    pub(crate) fn know(&self, directory: &Arc<Directory>) {
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(directory);
        self.ring.ring();
    }

    fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of a bounded number of places in the whole process. Dropped, it is free again.
struct Place(Gauge);

impl Place {
    fn take(taken: &Gauge, most: usize) -> Option<Self> {
        let is_free = |taken: i64| usize::try_from(taken).is_ok_and(|taken| taken < most);
        taken.inner().fetch_update(Relaxed, Relaxed, |taken| is_free(taken).then_some(taken + 1)).ok()?;
        Some(Self(taken.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What every handler has.
#[derive(Clone)]
struct Desk {
    house: Arc<House>,
    store: StoreDesk,
}

impl Desk {
    /// Reads what is stored.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Ledger) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        let look = Box::new(move |ledger: &dyn Ledger| {
            // For somebody who has gone nothing is read, however many come and go.
            if !answer.is_closed() {
                let _ = answer.send(read(ledger));
            }
        });
        self.store.look(look).map_err(|cause| Problem::later(cause.as_ref()))?;
        self.heard(answered).await?.map_err(store_failed)
    }

    /// Changes credentials. Once it is answered, every core goes by it.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let ((answer, answered), (told, all_told)) = (oneshot::channel(), oneshot::channel());
        let change = Box::new(move |store: &mut dyn Store| drop(answer.send(change(store))));
        self.store.send(Job::Change { change, told }).map_err(|cause| Problem::later(cause.as_ref()))?;
        let changed = self.heard(answered).await?.map_err(store_failed)?;
        // Without that the change is stored, and the cores learn of it within a second.
        let _ = all_told.await;
        for core in 0..self.house.inboxes.len() {
            // Letters are read in their order: whoever answers this has read that.
            self.look(core, |_| ()).await?;
        }
        Ok(changed)
    }

    /// Looks at a core's machine.
    async fn look<T: Send + 'static>(
        &self,
        core: usize,
        look: impl FnOnce(&dyn Machine) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        let look = Box::new(move |machine: &dyn Machine| drop(answer.send(look(machine))));
        self.house.inboxes[core].deliver_one(Letter::Look(look));
        self.heard(answered).await
    }

    async fn heard<T>(&self, answered: oneshot::Receiver<T>) -> Result<T, Problem> {
        let until = self.house.clock.now().at.after(ANSWERED_WITHIN);
        tokio::select! {
            biased;
            answer = answered => answer.map_err(|_| Problem::later("the gateway is going away")),
            () = self.house.clock.until(until) => Err(Problem::later("no answer in time")),
        }
    }
}

fn store_failed(error: StoreError) -> Problem {
    tracing::warn!(%error, "operator's request failed in the store");
    Problem::later("the store is not available")
}

fn bad_query(rejection: QueryRejection) -> Problem {
    Problem::bad(rejection.body_text())
}

fn bad_path(rejection: PathRejection) -> Problem {
    Problem::bad(rejection.body_text())
}

/// What any request may hear instead of its answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is only described, never made")]
enum Refusals {
    /// The request is wrong
    #[response(status = 400)]
    Bad(#[to_schema] Problem),
    /// No key, or none that is good
    #[response(status = 401)]
    Unauthorized(#[to_schema] Problem),
    /// The key lacks the permission
    #[response(status = 403)]
    Forbidden(#[to_schema] Problem),
    /// Too many wrong keys from this address
    #[response(status = 429)]
    TooMany(#[to_schema] Problem),
    /// Come back later
    #[response(status = 503)]
    Later(#[to_schema] Problem),
}

/// The whole API on one core.
pub(crate) fn router(house: &Arc<House>, store: &StoreDesk) -> Router {
    let api = Router::new()
        .route("/openapi.json", get(document::document))
        .route("/operations", get(operations::list))
        .route("/operations/{id}", get(operations::get))
        .route("/operations/{id}/cancel", post(operations::cancel))
        .route("/groups/{dialect}/{group}/operations/{key}", get(operations::get_by_key))
        .route("/devices", get(live::devices))
        .route("/sessions", get(live::sessions))
        .route("/sessions/{id}", delete(live::close))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}", delete(keys::revoke))
        .route("/events", get(events::events));
    Router::new()
        .nest(ROOT, api)
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_MOST))
        .with_state(Desk { house: Arc::clone(house), store: store.clone() })
}

async fn nowhere(_: access::Operator) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "nothing is served under this path")
}

async fn not_so(_: access::Operator) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path is not used that way")
}

/// Answers a request.
pub(crate) async fn answer(core: &Core, caller: Caller, request: Request<Incoming>) -> Response<Body> {
    let metrics = core.metrics();
    let response = match Place::take(&metrics.operators_open, core.settings().operator_requests_most) {
        None => Problem::later("too many requests at once").into_response(),
        Some(_place) => {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller);
            let answered: Result<_, Infallible> = core.operators().call(request).await;
            match answered {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    metrics.operator_answered(response.status().as_u16());
    response
}
