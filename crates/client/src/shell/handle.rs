//! What an application holds of a machine at work: asks with their answers, events, state, and the way out.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use model::RequestKey;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::clock::Clock;
use super::drive::Driver;
use super::endpoint::{BadEndpoint, Endpoint};
use super::random;
use crate::link::{Ended, NotSent, State};
use crate::machine::Machine;

/// How many commands wait for the machine while the server does not read.
const COMMANDS: usize = 256;

/// How many events are kept for a listener that is slow; after that the oldest are dropped and counted.
const EVENTS: usize = 64;

/// An event, sorted by who wants it.
pub(crate) enum Sorted<E, T, F> {
    /// The answer somebody waits for.
    Settled(RequestKey, Result<T, F>),
    /// How far the connection has come.
    State(State),
    /// For whoever listens.
    Other(E),
}

/// A machine's event that knows who wants it.
pub(crate) trait Sort: Clone + From<State> + Send + 'static {
    /// What an ask is answered with.
    type Answer: Send + 'static;
    /// Or why it is not.
    type Failure: From<NotSent> + Send + 'static;

    fn sort(self) -> Sorted<Self, Self::Answer, Self::Failure>;

    /// What is said when the runtime goes away with the machine: what was written may have arrived.
    fn closed() -> Self::Failure;
}

type Waiters<T, F> = Arc<Mutex<HashMap<RequestKey, oneshot::Sender<Result<T, F>>>>>;

/// The inside of every client.
pub(crate) struct Handle<C, E: Sort> {
    commands: mpsc::Sender<C>,
    waiters: Waiters<E::Answer, E::Failure>,
    events: broadcast::WeakSender<E>,
    state: watch::Receiver<State>,
    finish: Arc<watch::Sender<bool>>,
    clock: Clock,
}

impl<C, E: Sort> fmt::Debug for Handle<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.borrow().label())
    }
}

impl<C, E: Sort> Clone for Handle<C, E> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            waiters: self.waiters.clone(),
            events: self.events.clone(),
            state: self.state.clone(),
            finish: self.finish.clone(),
            clock: self.clock,
        }
    }
}

impl<C: Send + 'static, E: Sort> Handle<C, E> {
    /// Puts a machine to work on the runtime we are in. `make` gets the seed and the time.
    pub(crate) fn start<M>(
        endpoint: Endpoint,
        make: impl FnOnce(u64, model::Timestamp) -> M,
    ) -> Result<Self, BadEndpoint>
    where
        M: Machine<Command = C, Event = E> + Send + 'static,
    {
        let open = endpoint.open()?;
        let clock = Clock::new();
        let machine = make(random::seed().map_err(BadEndpoint::Randomness)?, clock.now());
        let (commands, taken) = mpsc::channel(COMMANDS);
        let (events, _) = broadcast::channel(EVENTS);
        let (told, state) = watch::channel(State::Connecting { attempt: 1, pause: std::time::Duration::ZERO });
        let (finish, mut finished) = watch::channel(false);
        let waiters: Waiters<E::Answer, E::Failure> = Arc::default();

        let handle = Self {
            commands,
            waiters: waiters.clone(),
            events: events.downgrade(),
            state,
            finish: Arc::new(finish),
            clock,
        };
        let listener = move |event: E| match event.sort() {
            Sorted::Settled(id, result) => {
                if let Some(waiter) = lock(&waiters).remove(&id) {
                    // Whoever asked may have stopped waiting.
                    let _ = waiter.send(result);
                }
            }
            Sorted::State(state) => {
                told.send_replace(state.clone());
                let _ = events.send(state.into());
            }
            Sorted::Other(event) => drop(events.send(event)),
        };
        // Asked to, or nobody left who could ask.
        let shutdown = async move { drop(finished.wait_for(|finish| *finish).await) };
        tokio::spawn(Driver::new(machine, clock, open, listener).run(taken, shutdown));
        Ok(handle)
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Asks for something that is answered under `id`. It is on its way when this returns.
    pub(crate) fn ask(&self, id: RequestKey, command: C) -> Answer<E::Answer, E::Failure> {
        let (waiter, answer) = oneshot::channel();
        {
            let mut waiters = lock(&self.waiters);
            if waiters.contains_key(&id) {
                return Answer::now(id, NotSent::Repeated);
            }
            waiters.insert(id.clone(), waiter);
        }
        match self.want(command) {
            Ok(()) => Answer { id, answer: Awaited::Comes(answer, Some(E::closed())) },
            Err(refused) => {
                lock(&self.waiters).remove(&id);
                Answer::now(id, refused)
            }
        }
    }

    /// Wants something that has no answer of its own. It is on its way when this returns.
    pub(crate) fn want(&self, command: C) -> Result<(), NotSent> {
        self.commands.try_send(command).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotSent::Full,
            mpsc::error::TrySendError::Closed(_) => NotSent::Closed,
        })
    }

    pub(crate) fn events(&self) -> Events<E> {
        Events { from: self.events.upgrade().map(|events| events.subscribe()) }
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) async fn authenticated(&self) -> Result<(), Ended> {
        let mut state = self.state.clone();
        let there = |state: &State| matches!(state, State::Authenticated | State::Closed(_));
        match state.wait_for(there).await.as_deref() {
            Ok(State::Closed(ended)) => Err(ended.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Ended::Finished),
        }
    }

    pub(crate) async fn close(&self) -> Ended {
        self.finish.send_replace(true);
        let mut state = self.state.clone();
        match state.wait_for(|state| matches!(state, State::Closed(_))).await.as_deref() {
            Ok(State::Closed(ended)) => ended.clone(),
            Ok(_) | Err(_) => Ended::Finished,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that panics happens under this lock, so what it guards is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer that comes, or why it does not. What was asked is on its way already; dropping this changes nothing about
/// it.
#[derive(Debug)]
pub struct Answer<T, F> {
    id: RequestKey,
    answer: Awaited<T, F>,
}

#[derive(Debug)]
enum Awaited<T, F> {
    /// It comes, unless the runtime goes away with the machine: then that is said.
    Comes(oneshot::Receiver<Result<T, F>>, Option<F>),
    Is(Option<F>),
}

impl<T, F: From<NotSent>> Answer<T, F> {
    pub(crate) fn now(id: RequestKey, why: NotSent) -> Self {
        Self { id, answer: Awaited::Is(Some(why.into())) }
    }
}

impl<T, F> Answer<T, F> {
    /// The id of what was asked.
    #[must_use]
    pub fn id(&self) -> &RequestKey {
        &self.id
    }
}

impl<T, F: From<NotSent> + Unpin> Future for Answer<T, F> {
    type Output = Result<T, F>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let gone = |why: &mut Option<F>| Err(why.take().unwrap_or_else(|| NotSent::Closed.into()));
        match &mut self.answer {
            Awaited::Comes(answer, why) => {
                Pin::new(answer).poll(context).map(|told| told.unwrap_or_else(|_| gone(why)))
            }
            Awaited::Is(why) => Poll::Ready(gone(why)),
        }
    }
}

/// Events from the moment it was made, in order.
#[derive(Debug)]
pub struct Events<E> {
    from: Option<broadcast::Receiver<E>>,
}

/// An event, or the plain word that some were missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<E> {
    /// The next one.
    Event(E),
    /// So many were dropped because they were not taken in time.
    Missed(u64),
}

impl<E: Clone> Events<E> {
    /// The next event; none once the connection is closed for good and everything has been told.
    pub async fn next(&mut self) -> Option<Heard<E>> {
        match self.from.as_mut()?.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
