//! What an application holds: a vendor and a scanner.

use std::time::Duration;

use super::performer::{Scanner, ScannerCommand, ScannerConfig, ScannerEvent};
use super::requester::{Vendor, VendorCommand, VendorConfig, VendorEvent};
use super::types::{AuthResult, Context, ContextId, Failure, Requirements, Scan, ScanStatus};
use crate::link::{Ended, NotSent, State};
use crate::shell::{Answer, BadEndpoint, Endpoint, Events, Handle, Heard, Sort, Sorted, context_id};

/// A vendor's connection. It connects, logs in, beats and reconnects by itself, until it is closed or there is no
/// point in coming back. Clones share it; when the last one is dropped, it closes.
///
/// ```
/// use client::Endpoint;
/// use client::boop::{AuthResult, Requirements, VendorClient, VendorConfig};
/// use model::{Currency, Money, Secret};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let config = VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41"));
/// let vendor = VendorClient::connect(Endpoint::new(&url), config)?;
///
/// let bread = Money { minor: 2500, currency: Currency::USD };
/// match vendor.create_context(Requirements::payment(bread).attributes(["email"])).await {
///     Ok(AuthResult::Matched(who)) => println!("paid by {:?}", who.user_id),
///     Ok(AuthResult::Declined(why)) => println!("declined: {}", why.problem),
///     Err(failure) if failure.is_safe_to_retry() => println!("ask again: {failure}"),
///     Err(failure) => println!("look before asking again: {failure}"),
/// }
/// vendor.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct VendorClient {
    handle: Handle<VendorCommand, VendorEvent>,
    queue_for: Duration,
}

impl VendorClient {
    /// Begins to connect and gives the client at once. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BadEndpoint`] says what is wrong with the address or the extra CA. A server that cannot be reached is no
    /// error: it is told as an event, and tried again.
    pub fn connect(endpoint: Endpoint, config: VendorConfig) -> Result<Self, BadEndpoint> {
        let queue_for = config.preset.queue_for;
        let handle = Handle::start(endpoint, |seed, now| Vendor::new(config, seed, now))?;
        Ok(Self { handle, queue_for })
    }

    /// Asks for a palm. The context has its id, and is on its way or waiting for the login, when this returns; await
    /// it for the outcome.
    pub fn create_context(&self, requirements: Requirements) -> Answer<AuthResult, Failure> {
        let Ok(context_id) = context_id() else {
            return Answer::now(nobody(), NotSent::NoFreshId);
        };
        let send_by = self.handle.clock().now().after(self.queue_for);
        let command = VendorCommand::Create { context_id: context_id.clone(), requirements, send_by };
        self.handle.ask(context_id, command)
    }

    /// Takes a context back, if there is still time. What became of it is told where it was created. Gives false when
    /// too much waits already for the server to read.
    pub fn cancel(&self, context_id: &ContextId) -> bool {
        self.handle.want(VendorCommand::Cancel { context_id: context_id.clone() }).is_ok()
    }

    /// What happens from now on, apart from the outcomes of contexts.
    #[must_use]
    pub fn events(&self) -> Events<VendorEvent> {
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

/// A scanner's connection, with the manners of [`VendorClient`].
///
/// ```
/// use client::Endpoint;
/// use client::boop::{Scan, ScanStatus, ScannerClient, ScannerConfig};
/// use model::{Secret, Side};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let config = ScannerConfig::new("pvs_till2", Secret::new("dk_test_77c"));
/// let scanner = ScannerClient::connect(Endpoint::new(&url), config)?;
/// let mut contexts = scanner.contexts();
/// if let Some(context) = contexts.next().await {
///     println!("{} asks for a palm", context.vendor_name);
///     let scan = Scan::test_user(Some("usr_8tk2"), Side::Right);
///     assert_eq!(scanner.scan(&context.context_id, scan).await, Ok(ScanStatus::Matched));
/// }
/// scanner.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScannerClient {
    handle: Handle<ScannerCommand, ScannerEvent>,
    queue_for: Duration,
}

impl ScannerClient {
    /// Begins to connect and gives the client at once. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BadEndpoint`] says what is wrong with the address or the extra CA.
    pub fn connect(endpoint: Endpoint, config: ScannerConfig) -> Result<Self, BadEndpoint> {
        let queue_for = config.preset.queue_for;
        let handle = Handle::start(endpoint, |seed, now| Scanner::new(config, seed, now))?;
        Ok(Self { handle, queue_for })
    }

    /// Contexts that open from now on.
    #[must_use]
    pub fn contexts(&self) -> Contexts {
        Contexts { events: self.handle.events() }
    }

    /// Says what happened at the glass, and gives the server's word about it.
    pub fn scan(&self, context_id: &ContextId, scan: Scan) -> Answer<ScanStatus, Failure> {
        let send_by = self.handle.clock().now().after(self.queue_for);
        let command = ScannerCommand::Scan { context_id: context_id.clone(), scan, send_by };
        self.handle.ask(context_id.clone(), command)
    }

    /// What happens from now on, apart from the server's words about scans.
    #[must_use]
    pub fn events(&self) -> Events<ScannerEvent> {
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

/// Contexts as they open.
#[derive(Debug)]
pub struct Contexts {
    events: Events<ScannerEvent>,
}

impl Contexts {
    /// The next context; none once the connection is closed for good. Contexts that were not taken in time are gone:
    /// they would be over anyway.
    pub async fn next(&mut self) -> Option<Context> {
        loop {
            if let Heard::Event(ScannerEvent::Opened(context)) = self.events.next().await? {
                return Some(context);
            }
        }
    }
}

fn nobody() -> ContextId {
    ContextId::parse("none").expect("a short word without control characters is an id")
}

impl From<State> for VendorEvent {
    fn from(state: State) -> Self {
        Self::State(state)
    }
}

impl Sort for VendorEvent {
    type Answer = AuthResult;
    type Failure = Failure;

    fn sort(self) -> Sorted<Self, AuthResult, Failure> {
        match self {
            Self::Settled { context_id, result } => Sorted::Settled(context_id, result),
            Self::State(state) => Sorted::State(state),
            other => Sorted::Other(other),
        }
    }

    fn closed() -> Failure {
        Failure::Closed
    }
}

impl From<State> for ScannerEvent {
    fn from(state: State) -> Self {
        Self::State(state)
    }
}

impl Sort for ScannerEvent {
    type Answer = ScanStatus;
    type Failure = Failure;

    fn sort(self) -> Sorted<Self, ScanStatus, Failure> {
        match self {
            Self::Settled { context_id, result } => Sorted::Settled(context_id, result),
            Self::State(state) => Sorted::State(state),
            other => Sorted::Other(other),
        }
    }

    fn closed() -> Failure {
        Failure::Closed
    }
}
