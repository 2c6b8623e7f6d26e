//! What an application holds of a machine at work: a till and a terminal.

use std::convert::Infallible;
use std::time::Duration;

use super::performer::{Terminal, TerminalCommand, TerminalConfig, TerminalEvent};
use super::requester::{Pos, PosCommand, PosConfig, PosEvent};
use super::types::{Failure, Offer, Payment, PaymentRequest, Report, TerminalInfo, TransactionId};
use crate::link::{Ended, NotSent, State};
use crate::shell::{Answer, BadEndpoint, Endpoint, Events, Handle, Heard, Sort, Sorted, transaction_id};

/// A till's connection. It connects, beats and reconnects by itself, until it is closed or there is no point in coming
/// back: the key is refused, or another connection with the same key took its place. Clones share it; when the last one
/// is dropped, it closes.
///
/// ```
/// use client::Endpoint;
/// use client::modulus::{PaymentRequest, PosClient, PosConfig, Status};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::modulus().await?;
/// let pos = PosClient::connect(Endpoint::new(&url), PosConfig::new(Secret::new("mk_test_till4")))?;
/// let terminals = pos.terminals().await?;
/// match pos.pay(&terminals[0].terminal_id, PaymentRequest::new("1250.00", "PHP")).await {
///     Ok(payment) if payment.status == Status::Success => println!("paid: {}", payment.transaction_id),
///     Ok(payment) => println!("not paid: {}", payment.status.name()),
///     Err(failure) if failure.is_safe_to_retry() => println!("ask again: {failure}"),
///     Err(failure) => println!("look it up before asking again: {failure}"),
/// }
/// pos.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PosClient {
    handle: Handle<PosCommand, PosEvent>,
    queue_for: Duration,
}

impl PosClient {
    /// Begins to connect and gives the client at once. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BadEndpoint`] says what is wrong with the address, the key or the extra CA. A server that cannot be reached
    /// is no error: it is told as an event, and tried again.
    pub fn connect(endpoint: Endpoint, config: PosConfig) -> Result<Self, BadEndpoint> {
        let queue_for = config.preset.queue_for;
        let endpoint = config.endpoint(endpoint);
        let handle = Handle::start(endpoint, |seed, now| Pos::new(config, seed, now))?;
        Ok(Self { handle, queue_for })
    }

    /// Asks for a payment under a fresh id: a UUID of version 7. It has its id, and is on its way or waiting for the
    /// login, when this returns; await it for the outcome.
    pub fn pay(&self, terminal_id: &str, request: PaymentRequest) -> Answer<Payment, Failure> {
        match transaction_id(self.handle.clock().now()) {
            Ok(transaction_id) => self.pay_as(transaction_id, terminal_id, request),
            Err(_) => Answer::now(nobody(), NotSent::NoFreshId),
        }
    }

    /// Asks for a payment under an id of your own. Under the id of an earlier payment, with the same terminal and
    /// request, it is that payment: it is joined, or its outcome is told again.
    pub fn pay_as(
        &self,
        transaction_id: TransactionId,
        terminal_id: &str,
        request: PaymentRequest,
    ) -> Answer<Payment, Failure> {
        let command = PosCommand::Pay {
            transaction_id: transaction_id.clone(),
            terminal_id: terminal_id.to_owned(),
            request,
            send_by: self.handle.clock().now().after(self.queue_for),
        };
        self.handle.ask(transaction_id, command)
    }

    /// The terminals of the group.
    ///
    /// # Errors
    ///
    /// [`Failure`] when there is no answer in time, or no connection any more.
    pub async fn terminals(&self) -> Result<Vec<TerminalInfo>, Failure> {
        let mut events = self.handle.events();
        loop {
            self.handle.want(PosCommand::List)?;
            loop {
                match events.next().await {
                    Some(Heard::Event(PosEvent::Listed(result))) => return result,
                    Some(Heard::Event(_)) => {}
                    // The answer may have been among them.
                    Some(Heard::Missed(_)) => break,
                    None => return Err(NotSent::Closed.into()),
                }
            }
        }
    }

    /// What happens from now on, apart from the outcomes of payments.
    #[must_use]
    pub fn events(&self) -> Events<PosEvent> {
        self.handle.events()
    }

    /// How far the connection has come.
    #[must_use]
    pub fn state(&self) -> State {
        self.handle.state()
    }

    /// Waits for a login.
    ///
    /// # Errors
    ///
    /// [`Ended`] when there will never be one.
    pub async fn authenticated(&self) -> Result<(), Ended> {
        self.handle.authenticated().await
    }

    /// Says goodbye and does not come back. Gives why it ended: usually because of this.
    pub async fn close(&self) -> Ended {
        self.handle.close().await
    }
}

/// A terminal's connection, with the manners of [`PosClient`].
///
/// ```
/// use client::modulus::{Report, TerminalClient, TerminalConfig};
/// use client::{Endpoint, Heard};
/// use model::{Secret, Wall};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::modulus().await?;
/// let config = TerminalConfig::new(Secret::new("mk_test_lanes"), "lane-7");
/// let terminal = TerminalClient::connect(Endpoint::new(&url), config)?;
/// let mut offers = terminal.offers();
/// if let Some(offer) = offers.next().await {
///     println!("{} {}", offer.amount_text(), offer.currency);
///     terminal.answer(Report::approved(&offer, "77Q2LM", Wall::from_millis(1_930_000_000_000)), &offer);
/// }
/// terminal.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TerminalClient {
    handle: Handle<TerminalCommand, TerminalEvent>,
}

impl TerminalClient {
    /// Begins to connect and gives the client at once. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BadEndpoint`] says what is wrong with the address, the key or the extra CA.
    pub fn connect(endpoint: Endpoint, config: TerminalConfig) -> Result<Self, BadEndpoint> {
        let endpoint = config.endpoint(endpoint);
        Ok(Self { handle: Handle::start(endpoint, |seed, now| Terminal::new(config, seed, now))? })
    }

    /// Payments that are offered from now on. A terminal that has its own record of earlier ones listens to
    /// [`TerminalClient::events`] instead, for [`TerminalEvent::Inquired`] as well.
    #[must_use]
    pub fn offers(&self) -> Offers {
        Offers { events: self.handle.events() }
    }

    /// Says what became of a payment; kept until the gateway has acknowledged it. Gives false when too much waits for
    /// the machine already: say it again then.
    pub fn answer(&self, report: Report, offer: &Offer) -> bool {
        let transaction_id = offer.transaction_id.clone();
        self.handle.want(TerminalCommand::Answer { transaction_id, report: Box::new(report) }).is_ok()
    }

    /// Says anything else. Gives false when too much waits for the machine already.
    pub fn tell(&self, command: TerminalCommand) -> bool {
        self.handle.want(command).is_ok()
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> Events<TerminalEvent> {
        self.handle.events()
    }

    /// How far the connection has come.
    #[must_use]
    pub fn state(&self) -> State {
        self.handle.state()
    }

    /// Waits for a login.
    ///
    /// # Errors
    ///
    /// [`Ended`] when there will never be one.
    pub async fn authenticated(&self) -> Result<(), Ended> {
        self.handle.authenticated().await
    }

    /// Says goodbye and does not come back. Gives why it ended: usually because of this.
    pub async fn close(&self) -> Ended {
        self.handle.close().await
    }
}

/// Payments as they are offered.
#[derive(Debug)]
pub struct Offers {
    events: Events<TerminalEvent>,
}

impl Offers {
    /// The next payment; none once the connection is closed for good. The gateway has one payment on a terminal at a
    /// time, so none is missed by taking each before the next.
    pub async fn next(&mut self) -> Option<Offer> {
        loop {
            if let Heard::Event(TerminalEvent::Offered(offer)) = self.events.next().await? {
                return Some(offer);
            }
        }
    }
}

fn nobody() -> TransactionId {
    TransactionId::parse("none").expect("a short word without control characters is an id")
}

impl From<State> for PosEvent {
    fn from(state: State) -> Self {
        Self::State(state)
    }
}

impl Sort for PosEvent {
    type Answer = Payment;
    type Failure = Failure;

    fn sort(self) -> Sorted<Self, Payment, Failure> {
        match self {
            Self::Settled { transaction_id, result } => Sorted::Settled(transaction_id, result),
            Self::State(state) => Sorted::State(state),
            other => Sorted::Other(other),
        }
    }

    fn closed() -> Failure {
        Failure::Closed
    }
}

impl From<State> for TerminalEvent {
    fn from(state: State) -> Self {
        Self::State(state)
    }
}

impl Sort for TerminalEvent {
    /// Nothing a terminal says is answered to whoever said it.
    type Answer = Infallible;
    type Failure = Failure;

    fn sort(self) -> Sorted<Self, Infallible, Failure> {
        match self {
            Self::State(state) => Sorted::State(state),
            other => Sorted::Other(other),
        }
    }

    fn closed() -> Failure {
        Failure::Closed
    }
}
