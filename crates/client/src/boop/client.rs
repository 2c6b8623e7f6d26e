//! What an application holds: a vendor and a scanner.

use model::{RequestKey, Timestamp};

use super::performer::{Scanner, ScannerCommand, ScannerConfig, ScannerEvent};
use super::requester::{Vendor, VendorCommand, VendorConfig, VendorEvent};
use super::types::{AuthResult, Context, ContextId, Failure, Requirements, Scan, ScanStatus};
use crate::link::State;
use crate::shell::{Answer, Client, Held, Only, context_id};

/// A vendor's connection.
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
pub type VendorClient = Client<Vendor>;

impl Client<Vendor> {
    /// Asks for a palm. The context has its id, and is on its way or waiting for the login, when this returns; await
    /// it for the outcome.
    pub fn create_context(&self, requirements: Requirements) -> Answer<AuthResult, Failure> {
        let create = |context_id, send_by| VendorCommand::Create { context_id, requirements, send_by };
        self.ask(|_| context_id(), create)
    }

    /// Takes a context back, if there is still time. What became of it is told where it was created. Gives false when
    /// too much waits already for the server to read.
    pub fn cancel(&self, context_id: &ContextId) -> bool {
        self.want(VendorCommand::Cancel { context_id: context_id.clone() }).is_ok()
    }
}

impl Held for Vendor {
    type Config = VendorConfig;
    type Answer = AuthResult;
    type Failure = Failure;

    fn make(config: VendorConfig, seed: u64, now: Timestamp) -> Self {
        Self::new(config, seed, now)
    }

    fn state(event: &VendorEvent) -> Option<&State> {
        if let VendorEvent::State(state) = event { Some(state) } else { None }
    }

    fn answer(event: VendorEvent) -> Result<(RequestKey, Result<AuthResult, Failure>), VendorEvent> {
        match event {
            VendorEvent::Settled { context_id, result } => Ok((context_id, result)),
            other => Err(other),
        }
    }

    fn gone() -> Failure {
        Failure::Closed
    }
}

/// A scanner's connection.
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
pub type ScannerClient = Client<Scanner>;

/// Contexts as they open. Those that were not taken in time would be over anyway.
pub type Contexts = Only<ScannerEvent, Context>;

impl Client<Scanner> {
    /// Contexts that open from now on.
    #[must_use]
    pub fn contexts(&self) -> Contexts {
        Only::new(self.events(), |event| if let ScannerEvent::Opened(context) = event { Some(context) } else { None })
    }

    /// Says what happened at the glass, and gives the server's word about it.
    pub fn scan(&self, context_id: &ContextId, scan: Scan) -> Answer<ScanStatus, Failure> {
        let scan = |context_id, send_by| ScannerCommand::Scan { context_id, scan, send_by };
        self.ask_as(context_id.clone(), scan)
    }
}

impl Held for Scanner {
    type Config = ScannerConfig;
    type Answer = ScanStatus;
    type Failure = Failure;

    fn make(config: ScannerConfig, seed: u64, now: Timestamp) -> Self {
        Self::new(config, seed, now)
    }

    fn state(event: &ScannerEvent) -> Option<&State> {
        if let ScannerEvent::State(state) = event { Some(state) } else { None }
    }

    fn answer(event: ScannerEvent) -> Result<(RequestKey, Result<ScanStatus, Failure>), ScannerEvent> {
        match event {
            ScannerEvent::Settled { context_id, result } => Ok((context_id, result)),
            other => Err(other),
        }
    }

    fn gone() -> Failure {
        Failure::Closed
    }
}
