//! The thread that makes calls of our own: pings that sessions ask for, and what the store has for webhook endpoints.
//!
//! The store's threads are asked what is due and told what became of it; it holds no more than is on its way.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use model::{CallId, Done, Due, EndpointId, Post, Posted, Route, Timestamp, Tried};
use node::{Carried, Courier};
use store::StoreError;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{Id, JoinSet, LocalSet};
use tokio_rustls::TlsConnector;

use crate::inbox::Letter;
use crate::post::{attempt, tls};
use crate::running::House;
use crate::storage::{Job, StoreDesk, told};

/// Calls of sessions that are made at once; whoever wants one more hears that nobody could be reached.
const CALLS_AT_ONCE: usize = 256;
/// Names that are looked up at once: one for every call there can be, and as many again whose call was given up, as a
/// look-up cannot be.
const LOOK_UPS_AT_ONCE: usize = 2 * (CALLS_AT_ONCE + node::DELIVERIES_AT_ONCE);
/// The pause after the store could not be read or written.
const AGAIN: Duration = Duration::from_secs(1);

/// What the mailroom is told.
pub(crate) enum Errand {
    /// A session wants a call made.
    Call { core: u8, route: Route, call: CallId, post: Box<Post> },
    /// Something may be due for webhook endpoints.
    Stir,
    /// What the store has for them.
    Due(Result<Due, StoreError>),
    /// What became of these deliveries is written down, or could not be.
    Written { places: Vec<u64>, done: Result<(), StoreError> },
    /// End; what is on its way is forgotten.
    Stop,
}

pub(crate) type Errands = UnboundedReceiver<Errand>;

/// Where errands are handed in. What may wait is bounded by calls that are open, commits, and what a courier carries.
#[derive(Clone)]
pub(crate) struct Poster(UnboundedSender<Errand>);

impl Poster {
    pub(crate) fn new() -> (Self, Errands) {
        let (sender, errands) = unbounded_channel();
        (Self(sender), errands)
    }

    /// Hands it in; false when nobody does errands any more.
    pub(crate) fn send(&self, errand: Errand) -> bool {
        self.0.send(errand).is_ok()
    }
}

/// Does errands on a thread of its own until told to stop.
pub(crate) fn run(errands: Errands, house: Arc<House>, desk: StoreDesk) {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(LOOK_UPS_AT_ONCE)
        .thread_name("webhooks-names")
        .build();
    match runtime {
        Ok(runtime) => {
            LocalSet::new().block_on(&runtime, serve(errands, house, desk));
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        }
        Err(error) => tracing::error!(%error, "webhooks cannot be sent"),
    }
}

/// Does errands until told to stop.
pub(crate) async fn serve(errands: Errands, house: Arc<House>, desk: StoreDesk) {
    match tls(house.outside.trusted()) {
        Ok(tls) => Mailroom::new(tls, house, desk).serve(errands).await,
        Err(error) => tracing::error!(%error, "webhooks cannot be sent"),
    }
}

/// Who wants to know what came of a call.
#[derive(Clone, Copy)]
enum Whose {
    Session { core: u8, route: Route, call: CallId },
    Courier { place: u64 },
}

struct Mailroom {
    house: Arc<House>,
    desk: StoreDesk,
    tls: TlsConnector,
    calls: JoinSet<Posted>,
    whose: HashMap<Id, Whose>,
    /// How many of them are sessions'.
    of_sessions: usize,
    courier: Courier,
    /// Something may be due that the store was not asked for.
    stirred: bool,
    /// The store was asked and has not answered.
    asked: bool,
    /// When to ask anyway.
    next: Option<Timestamp>,
    /// What came of these could not be written down: they must not go out again before the store has had a pause.
    unwritten: Vec<u64>,
    /// When that is over.
    again: Option<Timestamp>,
    /// The store could not say what is due, and that was logged.
    stuck: bool,
    /// Endpoints whose secret did not open when that was looked at last.
    sealed: Vec<EndpointId>,
}

impl Mailroom {
    fn new(tls: TlsConnector, house: Arc<House>, desk: StoreDesk) -> Self {
        Self {
            courier: Courier::new(Arc::clone(&house.dialects)),
            house,
            desk,
            tls,
            calls: JoinSet::new(),
            whose: HashMap::new(),
            of_sessions: 0,
            stirred: true,
            asked: false,
            next: None,
            unwritten: Vec::new(),
            again: None,
            stuck: false,
            sealed: Vec::new(),
        }
    }

    async fn serve(mut self, mut errands: Errands) {
        loop {
            if self.stirred && !self.asked {
                self.ask();
            }
            let next = self.next.into_iter().chain(self.again).min();
            let due = async {
                match next {
                    Some(at) => self.house.clock.until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                errand = errands.recv() => match errand {
                    Some(Errand::Call { core, route, call, post }) => self.call(core, route, call, *post),
                    Some(Errand::Stir) => self.stirred = true,
                    Some(Errand::Due(due)) => self.take(due),
                    Some(Errand::Written { places, done }) => self.written(&places, done),
                    Some(Errand::Stop) | None => return,
                },
                Some(ended) = self.calls.join_next_with_id() => match ended {
                    Ok((id, posted)) => self.ended(id, posted),
                    // A fault of ours in one call is none of the next one.
                    Err(fault) => self.ended(fault.id(), Posted::Unreachable),
                },
                () = due => self.due(),
            }
        }
    }

    /// An instant has come that was waited for.
    fn due(&mut self) {
        let now = self.house.clock.now().at;
        if self.again.is_some_and(|at| at <= now) {
            self.again = None;
            self.unwritten.drain(..).for_each(|place| self.courier.written(place));
        }
        self.next = self.next.filter(|at| *at > now);
        self.stirred = true;
    }

    /// Asks the store what there is for endpoints. Where there is no room, a call that ends will ask.
    fn ask(&mut self) {
        self.stirred = false;
        if let Some(wanted) = self.courier.wanted(self.house.clock.now()) {
            // When its thread has ended, everything is still there at the next start.
            self.asked = self.desk.read(Job::Due { wanted }).is_ok();
        }
    }

    fn take(&mut self, due: Result<Due, StoreError>) {
        self.asked = false;
        let now = self.house.clock.now();
        match due {
            Ok(due) => {
                self.stuck = false;
                self.next = due.next;
                for endpoint in due.sealed.iter().filter(|endpoint| !self.sealed.contains(endpoint)) {
                    tracing::error!(%endpoint, "the secret of a webhook endpoint does not open, it is told nothing");
                }
                self.sealed = due.sealed;
                for (place, post) in self.courier.take(now, due.deliveries) {
                    self.make(Whose::Courier { place }, post);
                }
            }
            Err(error) => {
                self.again = Some(now.at.after(AGAIN));
                if !self.stuck {
                    tracing::error!(cause = %told(&error), "what webhook endpoints are to be told cannot be read");
                }
                self.stuck = true;
            }
        }
    }

    fn call(&mut self, core: u8, route: Route, call: CallId, post: Post) {
        let whose = Whose::Session { core, route, call };
        if self.of_sessions < CALLS_AT_ONCE {
            self.of_sessions += 1;
            self.make(whose, post);
        } else {
            self.tell(core, route, call, Posted::Unreachable);
        }
    }

    fn make(&mut self, whose: Whose, post: Post) {
        let by = self.house.clock.until(self.house.clock.now().at.after(post.within));
        let (outside, tls) = (Arc::clone(&self.house.outside), self.tls.clone());
        let call = self.calls.spawn_local(async move {
            tokio::select! {
                posted = attempt(&*outside, &tls, &post) => posted,
                () = by => Posted::Late,
            }
        });
        self.whose.insert(call.id(), whose);
    }

    fn ended(&mut self, id: Id, posted: Posted) {
        match self.whose.remove(&id) {
            Some(Whose::Session { core, route, call }) => {
                self.of_sessions -= 1;
                self.tell(core, route, call, posted);
            }
            Some(Whose::Courier { place }) => self.carried(place, posted),
            None => {}
        }
    }

    fn tell(&self, core: u8, route: Route, call: CallId, posted: Posted) {
        let done = Done::Posted(posted);
        self.house.inboxes[usize::from(core)].deliver_one(Letter::Done { route, call, done });
    }

    /// What came of a try is counted, logged and given to the store.
    fn carried(&mut self, place: u64, posted: Posted) {
        let Some(carried) = self.courier.answered(self.house.clock.now(), place, posted) else { return };
        let Carried { tried, endpoint, event, operation, tries } = carried;
        self.house.metrics.webhook(tried.then);
        match tried.then {
            Tried::Delivered => tracing::debug!(%endpoint, %event, %operation, tries, "webhook delivered"),
            Tried::Again(_) => tracing::info!(%endpoint, %event, %operation, tries, %posted, "webhook not taken"),
            Tried::GivenUp => {
                tracing::warn!(%endpoint, %event, %operation, tries, %posted, "webhook given up, it is kept");
            }
        }
        // When its thread has ended, the delivery is still there at the next start.
        let _ = self.desk.send(Job::Tried { tried });
        // There is room for others, while this one is written down.
        self.stirred = true;
    }

    fn written(&mut self, places: &[u64], done: Result<(), StoreError>) {
        match done {
            Ok(()) => {
                places.iter().for_each(|place| self.courier.written(*place));
                self.stirred = true;
            }
            Err(error) => {
                tracing::warn!(cause = %told(&error), "what came of webhooks cannot be written down, they go out again");
                self.unwritten.extend(places);
                self.again = Some(self.house.clock.now().at.after(AGAIN));
            }
        }
    }
}
