//! What an application holds: a till and a terminal.

use std::convert::Infallible;

use model::{RequestKey, Timestamp};

use super::performer::{Terminal, TerminalCommand, TerminalConfig, TerminalEvent};
use super::requester::{Pos, PosCommand, PosConfig, PosEvent};
use super::types::{Failure, Offer, Payment, PaymentRequest, Report, TerminalInfo, TransactionId};
use crate::link::{NotSent, State};
use crate::shell::{Answer, Client, Heard, Held, Only, transaction_id};

/// A till's connection.
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
pub type PosClient = Client<Pos>;

impl Client<Pos> {
    /// Asks for a payment under a fresh id: a UUID of version 7. It has its id, and is on its way or waiting for the
    /// login, when this returns; await it for the outcome.
    pub fn pay(&self, terminal_id: &str, request: PaymentRequest) -> Answer<Payment, Failure> {
        self.ask(transaction_id, payment(terminal_id, request))
    }

    /// Asks for a payment under an id of your own. Under the id of an earlier payment, with the same terminal and
    /// request, it is that payment: it is joined, or its outcome is told again.
    pub fn pay_as(
        &self,
        transaction_id: TransactionId,
        terminal_id: &str,
        request: PaymentRequest,
    ) -> Answer<Payment, Failure> {
        self.ask_as(transaction_id, payment(terminal_id, request))
    }

    /// The terminals of the group.
    ///
    /// # Errors
    ///
    /// [`Failure`] when there is no answer in time, or no connection any more.
    pub async fn terminals(&self) -> Result<Vec<TerminalInfo>, Failure> {
        let mut events = self.events();
        loop {
            self.want(PosCommand::List)?;
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
}

fn payment(terminal_id: &str, request: PaymentRequest) -> impl FnOnce(TransactionId, Timestamp) -> PosCommand {
    let terminal_id = terminal_id.to_owned();
    move |transaction_id, send_by| PosCommand::Pay { transaction_id, terminal_id, request, send_by }
}

impl Held for Pos {
    type Config = PosConfig;
    type Answer = Payment;
    type Failure = Failure;

    fn make(config: PosConfig, seed: u64, now: Timestamp) -> Self {
        Self::new(config, seed, now)
    }

    fn state(event: &PosEvent) -> Option<&State> {
        if let PosEvent::State(state) = event { Some(state) } else { None }
    }

    fn answer(event: PosEvent) -> Result<(RequestKey, Result<Payment, Failure>), PosEvent> {
        match event {
            PosEvent::Settled { transaction_id, result } => Ok((transaction_id, result)),
            other => Err(other),
        }
    }

    fn gone() -> Failure {
        Failure::Closed
    }
}

/// A terminal's connection.
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
///     terminal.answer(Report::approved(&offer, "77Q2LM", Wall::from_millis(1_930_000_000_000)));
/// }
/// terminal.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type TerminalClient = Client<Terminal>;

/// Payments as they are offered. The gateway has one payment on a terminal at a time, so none is missed by taking each
/// before the next.
pub type Offers = Only<TerminalEvent, Offer>;

impl Client<Terminal> {
    /// Payments that are offered from now on. A terminal that has its own record of earlier ones listens to
    /// [`Client::events`] instead, for [`TerminalEvent::Inquired`] as well.
    #[must_use]
    pub fn offers(&self) -> Offers {
        Only::new(self.events(), |event| if let TerminalEvent::Offered(offer) = event { Some(offer) } else { None })
    }

    /// Says what became of a payment, and goes on saying it until the gateway has acknowledged it. It need not have been
    /// offered to this process: a result that was kept over a restart, with [`Report::frame`] and [`Report::of_frame`],
    /// is said at the next connection, without waiting to be asked. Gives false when too much waits for the machine
    /// already: say it again then.
    pub fn answer(&self, report: Report) -> bool {
        self.tell(TerminalCommand::Answer(Box::new(report)))
    }

    /// Says anything else. Gives false when too much waits for the machine already.
    pub fn tell(&self, command: TerminalCommand) -> bool {
        self.want(command).is_ok()
    }
}

impl Held for Terminal {
    type Config = TerminalConfig;
    /// Nothing a terminal says is answered to whoever said it.
    type Answer = Infallible;
    type Failure = Failure;

    fn make(config: TerminalConfig, seed: u64, now: Timestamp) -> Self {
        Self::new(config, seed, now)
    }

    fn state(event: &TerminalEvent) -> Option<&State> {
        if let TerminalEvent::State(state) = event { Some(state) } else { None }
    }

    fn answer(event: TerminalEvent) -> Result<(RequestKey, Result<Infallible, Failure>), TerminalEvent> {
        Err(event)
    }

    fn gone() -> Failure {
        Failure::Closed
    }
}
