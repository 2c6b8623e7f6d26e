//! A connection that carries lines as they are, with login and heartbeat done, whatever is spoken on it; and a look
//! whether a server is there.

use std::marker::PhantomData;
use std::time::Duration;

use model::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::link::{Change, Ended, Link, Lost, NotSent, Preset, State};
use crate::login::{Login, Meaning};
use crate::machine::{Output, Text};
use crate::problem::Problem;
use crate::shell::{BadEndpoint, Endpoint, Paced, drive};
use crate::side::Side;

/// How many frames wait for whoever reads the lines before the server is slowed down.
const LINES: usize = 64;

/// A frame to be sent as it is, after the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(pub Text);

/// What is heard on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinesEvent {
    /// How far the connection has come.
    State(State),
    /// An attempt failed, or the connection was lost.
    Lost(Lost),
    /// A frame from the server, as it came. The login's answer and the pongs of our own heartbeat are left out.
    Frame(String),
    /// A line that never left.
    NotSent {
        /// The line.
        line: Text,
        /// Why.
        why: NotSent,
    },
}

impl From<Change> for LinesEvent {
    fn from(change: Change) -> Self {
        match change {
            Change::State(state) => Self::State(state),
            Change::Lost(lost) => Self::Lost(lost),
        }
    }
}

type Out = Vec<Output<LinesEvent>>;

/// The machine: login and heartbeat as `L` has them, and everything else left to whoever writes and reads the lines.
///
/// ```
/// use client::boop::ScannerConfig;
/// use client::{Lines, Machine};
/// use model::{Secret, Timestamp};
///
/// let now = Timestamp::from_millis(0);
/// let lines = Lines::new(&ScannerConfig::new("pvs_till2", Secret::new("dk_test_77c")), 7, now);
/// assert_eq!(lines.deadline(), Some(now), "it wants to be woken at once");
/// ```
#[derive(Debug)]
pub struct Lines<L> {
    link: Link<Text>,
    login: PhantomData<fn() -> L>,
}

impl<L: Login> Lines<L> {
    /// Lines that want to connect at once.
    #[must_use]
    pub fn new(login: &L, seed: u64, now: Timestamp) -> Self {
        Self { link: Link::new(login, seed, now), login: PhantomData }
    }
}

fn not_sent(line: Text, why: NotSent) -> Output<LinesEvent> {
    Output::Event(LinesEvent::NotSent { line, why })
}

impl<L: Login> Side for Lines<L> {
    type Command = Line;
    type Event = LinesEvent;
    type Waiting = Text;

    fn link(&self) -> &Link<Text> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<Text> {
        &mut self.link
    }

    fn expire(&mut self, now: Timestamp, out: &mut Out) {
        out.extend(self.link.expire(now).into_iter().map(|line| not_sent(line, NotSent::Expired)));
    }

    fn logged_in(&mut self, _: Timestamp, _: Vec<Text>, _: &mut Out) {}

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        let frame = Output::Event(LinesEvent::Frame(text.to_owned()));
        match L::meaning(text, self.link.is_logging_in()) {
            Meaning::LoggedIn => drop(self.link.authenticated(now, out)),
            Meaning::Pong if self.link.ponged() => {}
            meaning => {
                if !matches!(meaning, Meaning::Refused(_)) {
                    out.push(frame);
                }
                self.link.obey(now, meaning, out);
            }
        }
    }

    fn command(&mut self, now: Timestamp, Line(line): Line, out: &mut Out) {
        let until = now.after(self.link.preset().queue_for);
        if let Err(why) = self.link.send(now, line.clone(), line.clone(), until, out) {
            out.push(not_sent(line, why));
        }
    }

    fn refuse(&mut self, Line(line): Line, out: &mut Out) {
        out.push(not_sent(line, NotSent::Closed));
    }

    fn abandon(&mut self, out: &mut Out) {
        out.extend(self.link.abandon().into_iter().map(|line| not_sent(line, NotSent::Closed)));
    }

    fn due(&self) -> Option<Timestamp> {
        None
    }
}

/// A connection that carries lines as they are, with login and heartbeat done.
///
/// ```
/// use client::boop::VendorConfig;
/// use client::{Endpoint, LinesEvent, RawClient};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let config = VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41"));
/// let mut raw = RawClient::connect(Endpoint::new(&url), config)?;
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
    pub fn connect(endpoint: Endpoint, login: impl Login) -> Result<Self, BadEndpoint> {
        let endpoint = login.endpoint(endpoint);
        // Looked at here, so that a mistake is told to the caller and not to the task.
        endpoint.clone().open()?;
        let (lines, taken) = mpsc::channel(LINES);
        let (told, events) = mpsc::channel(LINES);
        let (finish, mut finished) = watch::channel(false);
        let shutdown = async move { drop(finished.wait_for(|finish| *finish).await) };
        let make = move |seed, now| Lines::new(&login, seed, now);
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
/// Most peers have one connection: if it is in use, this takes its place, as any second one would.
///
/// ```
/// use client::boop::VendorConfig;
/// use client::{Endpoint, check};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let config = VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41"));
/// let checked = check(Endpoint::new(&url), config).await?;
/// println!("{} ms", checked.ping.as_millis());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CheckFailure`] in the words of the command line's exit codes.
pub async fn check<L: Login>(endpoint: Endpoint, mut login: L) -> Result<Checked, CheckFailure> {
    let preset = login.preset_mut();
    preset.attempts_most = Preset::once().attempts_most;
    let answer_within = preset.answer_within;
    let begun = Instant::now();
    let mut raw = RawClient::connect(endpoint, login)?;
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
                raw.send(L::PING).await;
            }
            Some(LinesEvent::Frame(frame)) => {
                if let (Some(pinged), Meaning::Pong) = (pinged, L::meaning(&frame, false)) {
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
