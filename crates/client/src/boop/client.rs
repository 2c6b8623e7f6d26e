//! What an application holds: a vendor, a scanner, a raw line, and a look whether a server is there.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::lines::{Line, Lines, LinesConfig, LinesEvent};
use super::performer::{Scanner, ScannerCommand, ScannerConfig, ScannerEvent};
use super::requester::{Vendor, VendorCommand, VendorConfig, VendorEvent};
use super::types::{AuthResult, Context, ContextId, Requirements, Scan, ScanStatus};
use super::wire;
use crate::link::{Ended, Lost, NotSent, Preset, State};
use crate::machine::Text;
use crate::problem::Problem;
use crate::shell::{Answer, BadEndpoint, Endpoint, Events, Handle, Heard, Paced, Sort, Sorted, context_id, drive};

/// How many frames wait for whoever reads the lines before the server is slowed down.
const LINES: usize = 64;

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
    pub fn create_context(&self, requirements: Requirements) -> Answer<AuthResult> {
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
        self.handle.want(VendorCommand::Cancel { context_id: context_id.clone() })
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
    pub fn scan(&self, context_id: &ContextId, scan: Scan) -> Answer<ScanStatus> {
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

/// A connection that carries lines as they are, with login and heartbeat done.
///
/// ```
/// use client::Endpoint;
/// use client::boop::{LinesConfig, LinesEvent, RawClient, VendorConfig};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let config = VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41"));
/// let mut raw = RawClient::connect(Endpoint::new(&url), LinesConfig::Vendor(config))?;
/// raw.send(r#"{"type":"ping"}"#).await;
/// while let Some(event) = raw.next().await {
///     match event {
///         LinesEvent::Frame(frame) => {
///             assert_eq!(frame, r#"{"type":"pong"}"#);
///             raw.close();
///         }
///         LinesEvent::State(state) => eprintln!("{}", state.label()),
///         LinesEvent::Lost(lost) => eprintln!("{lost}"),
///         LinesEvent::NotSent { why, .. } => eprintln!("not sent: {why}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RawClient {
    lines: RawSender,
    events: mpsc::Receiver<LinesEvent>,
    finish: watch::Sender<bool>,
}

/// The sending half of a [`RawClient`], for a task of its own.
#[derive(Clone, Debug)]
pub struct RawSender {
    lines: mpsc::Sender<Line>,
}

impl RawSender {
    /// Sends a line once there is room for it: now, or after the login. Gives false when the connection is closed for
    /// good.
    pub async fn send(&self, line: &str) -> bool {
        self.lines.send(Line(Text::new(line.to_owned()))).await.is_ok()
    }
}

impl RawClient {
    /// Begins to connect and gives the client at once. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BadEndpoint`] says what is wrong with the address or the extra CA.
    pub fn connect(endpoint: Endpoint, config: LinesConfig) -> Result<Self, BadEndpoint> {
        // Looked at here, so that a mistake is told to the caller and not to the task.
        endpoint.clone().open()?;
        let (lines, taken) = mpsc::channel(LINES);
        let (told, events) = mpsc::channel(LINES);
        let (finish, mut finished) = watch::channel(false);
        let shutdown = async move { drop(finished.wait_for(|finish| *finish).await) };
        let make = move |seed, now| Lines::new(&config, seed, now);
        tokio::spawn(drive(endpoint, make, taken, shutdown, Paced::new(told)));
        Ok(Self { lines: RawSender { lines }, events, finish })
    }

    /// Sends a line once there is room for it. Gives false when the connection is closed for good.
    pub async fn send(&self, line: &str) -> bool {
        self.lines.send(line).await
    }

    /// The sending half, to be used while this one listens.
    #[must_use]
    pub fn sender(&self) -> RawSender {
        self.lines.clone()
    }

    /// What is heard next; none once the connection is closed for good. None of it is dropped: whoever does not listen
    /// slows the server down.
    pub async fn next(&mut self) -> Option<LinesEvent> {
        self.events.recv().await
    }

    /// Says goodbye. [`RawClient::next`] tells when that is done.
    pub fn close(&self) {
        self.finish.send_replace(true);
    }
}

/// How well a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// From the first packet to the login's answer.
    pub login: Duration,
    /// From the ping to its pong.
    pub ping: Duration,
}

/// Why a server is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum CheckFailure {
    /// The address or the extra CA is wrong.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// The server does not accept the credentials.
    #[error("credentials refused: {0}")]
    Refused(Problem),
    /// The credentials are good but not for this.
    #[error("not permitted: {0}")]
    Forbidden(Problem),
    /// The server was not reached, is no WebSocket server, did not answer the login, or hung up.
    #[error("{0}")]
    Network(Lost),
    /// There is no trusted encrypted connection.
    #[error("no trusted TLS connection: {0}")]
    Tls(String),
    /// The login was accepted and the ping was not answered in time.
    #[error("logged in, but the ping was not answered")]
    NoPong,
    /// Another connection with the same credentials took our place.
    #[error("displaced by another connection with the same credentials")]
    Displaced,
}

/// Logs in, pings once, says goodbye. One attempt.
///
/// A vendor has one connection: if it is in use, this takes its place, as any second one would.
///
/// ```
/// use client::Endpoint;
/// use client::boop::{LinesConfig, VendorConfig, check};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let config = VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41"));
/// let checked = check(Endpoint::new(&url), LinesConfig::Vendor(config)).await?;
/// println!("{} ms", checked.ping.as_millis());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CheckFailure`] in the words of the command line's exit codes.
pub async fn check(endpoint: Endpoint, mut config: LinesConfig) -> Result<Checked, CheckFailure> {
    let preset = config.preset_mut();
    preset.attempts_most = Preset::once().attempts_most;
    let answer_within = preset.answer_within;
    let begun = Instant::now();
    let mut raw = RawClient::connect(endpoint, config)?;
    let mut pinged = None;
    loop {
        let deadline = pinged.unwrap_or(begun) + answer_within;
        let heard = tokio::select! {
            heard = raw.next() => heard,
            () = tokio::time::sleep_until(deadline), if pinged.is_some() => return Err(CheckFailure::NoPong),
        };
        match heard {
            Some(LinesEvent::State(State::Authenticated)) => {
                pinged = Some(Instant::now());
                raw.send(wire::PING).await;
            }
            Some(LinesEvent::Frame(frame)) => {
                if let (Some(pinged), true) = (pinged, wire::is_pong(&frame)) {
                    let checked = Checked { login: pinged - begun, ping: pinged.elapsed() };
                    raw.close();
                    while raw.next().await.is_some() {}
                    return Ok(checked);
                }
            }
            Some(LinesEvent::State(State::Closed(ended))) => return Err(failure(ended)),
            Some(LinesEvent::State(_) | LinesEvent::Lost(_) | LinesEvent::NotSent { .. }) => {}
            None => return Err(failure(Ended::Finished)),
        }
    }
}

fn failure(ended: Ended) -> CheckFailure {
    match ended {
        Ended::Refused(problem) => CheckFailure::Refused(problem),
        Ended::Forbidden(problem) => CheckFailure::Forbidden(problem),
        Ended::Displaced => CheckFailure::Displaced,
        Ended::GaveUp { last: Lost::Tls(text), .. } => CheckFailure::Tls(text),
        Ended::GaveUp { last: Lost::PingTimeout, .. } => CheckFailure::NoPong,
        Ended::GaveUp { last, .. } => CheckFailure::Network(last),
        Ended::Finished => CheckFailure::Network(Lost::Broken("it was closed before it was checked".to_owned())),
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

    fn sort(self) -> Sorted<Self, AuthResult> {
        match self {
            Self::Settled { context_id, result } => Sorted::Settled(context_id, result),
            Self::State(state) => Sorted::State(state),
            other => Sorted::Other(other),
        }
    }
}

impl From<State> for ScannerEvent {
    fn from(state: State) -> Self {
        Self::State(state)
    }
}

impl Sort for ScannerEvent {
    type Answer = ScanStatus;

    fn sort(self) -> Sorted<Self, ScanStatus> {
        match self {
            Self::Settled { context_id, result } => Sorted::Settled(context_id, result),
            Self::State(state) => Sorted::State(state),
            other => Sorted::Other(other),
        }
    }
}
