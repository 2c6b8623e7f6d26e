//! What an application holds of a machine at work: asks with their answers, events, state, and the way out.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use model::{RequestKey, Timestamp};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::clock::Clock;
use super::drive::Driver;
use super::endpoint::{BadEndpoint, Endpoint};
use super::random;
use crate::link::{Ended, NotSent, State};
use crate::login::Login;
use crate::machine::Machine;

/// How many commands wait for the machine while the server does not read.
const COMMANDS: usize = 256;

/// How many events are kept for a listener that is slow; after that the oldest are dropped and counted.
const EVENTS: usize = 64;

/// An answer, by the id of what was asked.
type Settled<T, F> = (RequestKey, Result<T, F>);

/// A machine an application can hold a [`Client`] of.
pub trait Held: Machine<Command: Send, Event: Clone + Send> + Send + Sized + 'static {
    /// Who it logs in as.
    type Config: Login;
    /// What an ask is answered with.
    type Answer: Send + 'static;
    /// Or why it is not.
    type Failure: From<NotSent> + Send + 'static;

    /// The machine, about to connect.
    fn make(config: Self::Config, seed: u64, now: Timestamp) -> Self;

    /// How far the connection has come, if an event says that.
    fn state(event: &Self::Event) -> Option<&State>;

    /// The answer somebody waits for, by the id of what was asked. Any other event is given back, for whoever listens.
    fn answer(event: Self::Event) -> Result<Settled<Self::Answer, Self::Failure>, Self::Event>;

    /// What is said when the runtime goes away with the machine: what was written may have arrived.
    fn gone() -> Self::Failure;
}

type Waiters<T, F> = Arc<Mutex<HashMap<RequestKey, oneshot::Sender<Result<T, F>>>>>;

/// A machine at work, as an application holds it. It connects, logs in, beats and reconnects by itself, until it is closed
/// or there is no point in coming back: the credentials are refused, or another connection took its place. Clones share
/// it; when the last one is dropped, it closes.
///
/// What is the same for every side of every dialect is here; what one can ask is with its own name:
/// [`VendorClient`](crate::boop::VendorClient), [`ScannerClient`](crate::boop::ScannerClient),
/// [`PosClient`](crate::modulus::PosClient), [`TerminalClient`](crate::modulus::TerminalClient).
pub struct Client<M: Held> {
    commands: mpsc::Sender<M::Command>,
    waiters: Waiters<M::Answer, M::Failure>,
    events: broadcast::WeakSender<M::Event>,
    state: watch::Receiver<State>,
    finish: Arc<watch::Sender<bool>>,
    clock: Clock,
    queue_for: Duration,
}

impl<M: Held> fmt::Debug for Client<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.borrow().label())
    }
}

impl<M: Held> Clone for Client<M> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            waiters: self.waiters.clone(),
            events: self.events.clone(),
            state: self.state.clone(),
            finish: self.finish.clone(),
            clock: self.clock,
            queue_for: self.queue_for,
        }
    }
}

impl<M: Held> Client<M> {
    /// Begins to connect and gives the client at once. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BadEndpoint`] says what is wrong with the address, the key or the extra CA. A server that cannot be reached is
    /// no error: it is told as an event, and tried again.
    pub fn connect(endpoint: Endpoint, config: M::Config) -> Result<Self, BadEndpoint> {
        let open = config.endpoint(endpoint).open()?;
        let clock = Clock::new();
        let queue_for = config.preset().queue_for;
        let machine = M::make(config, random::seed().map_err(BadEndpoint::Randomness)?, clock.now());
        let (commands, taken) = mpsc::channel(COMMANDS);
        let (events, _) = broadcast::channel(EVENTS);
        let (told, state) = watch::channel(State::Connecting { attempt: 1, pause: Duration::ZERO });
        let (finish, mut finished) = watch::channel(false);
        let waiters: Waiters<M::Answer, M::Failure> = Arc::default();

        let client = Self {
            commands,
            waiters: waiters.clone(),
            events: events.downgrade(),
            state,
            finish: Arc::new(finish),
            clock,
            queue_for,
        };
        let listener = move |event: M::Event| {
            if let Some(state) = M::state(&event) {
                told.send_replace(state.clone());
            }
            match M::answer(event) {
                Ok((id, result)) => {
                    if let Some(waiter) = lock(&waiters).remove(&id) {
                        // Whoever asked may have stopped waiting.
                        let _ = waiter.send(result);
                    }
                }
                // Nobody need listen.
                Err(event) => drop(events.send(event)),
            }
        };
        // Asked to, or nobody left who could ask.
        let shutdown = async move { drop(finished.wait_for(|finish| *finish).await) };
        tokio::spawn(Driver::new(machine, clock, open, listener).run(taken, shutdown));
        Ok(client)
    }

    /// What happens from now on, apart from the answers to what was asked.
    #[must_use]
    pub fn events(&self) -> Events<M::Event> {
        Events { from: self.events.upgrade().map(|events| events.subscribe()) }
    }

    /// How far the connection has come.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits for a login.
    ///
    /// # Errors
    ///
    /// [`Ended`] when there will never be one.
    pub async fn authenticated(&self) -> Result<(), Ended> {
        let mut state = self.state.clone();
        let there = |state: &State| matches!(state, State::Authenticated | State::Closed(_));
        match state.wait_for(there).await.as_deref() {
            Ok(State::Closed(ended)) => Err(ended.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Ended::Finished),
        }
    }

    /// Says goodbye and does not come back. Gives why it ended: usually because of this.
    pub async fn close(&self) -> Ended {
        self.finish.send_replace(true);
        let mut state = self.state.clone();
        match state.wait_for(|state| matches!(state, State::Closed(_))).await.as_deref() {
            Ok(State::Closed(ended)) => ended.clone(),
            Ok(_) | Err(_) => Ended::Finished,
        }
    }

    /// Asks for something under a fresh id, as [`Client::ask_as`] does.
    pub(crate) fn ask(
        &self,
        fresh_id: impl FnOnce(Timestamp) -> io::Result<RequestKey>,
        command: impl FnOnce(RequestKey, Timestamp) -> M::Command,
    ) -> Answer<M::Answer, M::Failure> {
        match fresh_id(self.clock.now()) {
            Ok(id) => self.ask_as(id, command),
            Err(_) => {
                let nobody = RequestKey::parse("none").expect("a short word without control characters is an id");
                Answer::now(nobody, NotSent::NoFreshId)
            }
        }
    }

    /// Asks for something that is answered under `id`. It is on its way when this returns. The command is made of the id,
    /// and of when it stops making sense to send it.
    pub(crate) fn ask_as(
        &self,
        id: RequestKey,
        command: impl FnOnce(RequestKey, Timestamp) -> M::Command,
    ) -> Answer<M::Answer, M::Failure> {
        let (waiter, answer) = oneshot::channel();
        {
            let mut waiters = lock(&self.waiters);
            if waiters.contains_key(&id) {
                return Answer::now(id, NotSent::Repeated);
            }
            waiters.insert(id.clone(), waiter);
        }
        match self.want(command(id.clone(), self.clock.now().after(self.queue_for))) {
            Ok(()) => Answer { id, answer: Awaited::Comes(answer, Some(M::gone())) },
            Err(refused) => {
                lock(&self.waiters).remove(&id);
                Answer::now(id, refused)
            }
        }
    }

    /// Wants something that has no answer of its own. It is on its way when this returns.
    pub(crate) fn want(&self, command: M::Command) -> Result<(), NotSent> {
        self.commands.try_send(command).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotSent::Full,
            mpsc::error::TrySendError::Closed(_) => NotSent::Closed,
        })
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

/// Some of the events, as what they are about. Those that were not taken in time are gone.
#[derive(Debug)]
pub struct Only<E, T> {
    events: Events<E>,
    pick: fn(E) -> Option<T>,
}

impl<E: Clone, T> Only<E, T> {
    pub(crate) fn new(events: Events<E>, pick: fn(E) -> Option<T>) -> Self {
        Self { events, pick }
    }

    /// The next one; none once the connection is closed for good.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            if let Heard::Event(event) = self.events.next().await?
                && let Some(picked) = (self.pick)(event)
            {
                return Some(picked);
            }
        }
    }
}
