//! A connection with login and heartbeat done, and everything else left to whoever writes and reads the lines.

use model::Timestamp;

use super::codes;
use super::performer::ScannerConfig;
use super::requester::VendorConfig;
use super::wire::{self, Incoming};
use crate::lines::{Line, LinesEvent, RawConfig};
use crate::link::{Ended, Link, NotSent, Preset, State};
use crate::machine::{Input, Machine, Output, Text};
use crate::shell::Endpoint;

/// Whose lines they are.
#[derive(Clone, Debug)]
pub enum LinesConfig {
    /// A vendor's, on `/ws/vendor`.
    Vendor(VendorConfig),
    /// A scanner's, on `/ws/pvs`.
    Scanner(ScannerConfig),
}

type Out = Vec<Output<LinesEvent>>;

/// The machine.
///
/// ```
/// use client::boop::{Lines, LinesConfig, ScannerConfig};
/// use client::{Machine, State};
/// use model::{Secret, Timestamp};
///
/// let now = Timestamp::from_millis(0);
/// let config = LinesConfig::Scanner(ScannerConfig::new("pvs_till2", Secret::new("dk_test_77c")));
/// let lines = Lines::new(&config, 7, now);
/// assert_eq!(lines.deadline(), Some(now), "it wants to be woken at once");
/// ```
#[derive(Debug)]
pub struct Lines {
    login: Text,
    link: Link<Text>,
    /// Pings of ours whose pong is not a line.
    pings: u32,
    over: bool,
}

impl LinesConfig {
    fn preset(&self) -> &Preset {
        match self {
            Self::Vendor(vendor) => &vendor.preset,
            Self::Scanner(scanner) => &scanner.preset,
        }
    }
}

impl RawConfig for LinesConfig {
    type Machine = Lines;

    const PING: &'static str = wire::PING;

    fn is_pong(frame: &str) -> bool {
        wire::is_pong(frame)
    }

    fn machine(&self, seed: u64, now: Timestamp) -> Lines {
        Lines::new(self, seed, now)
    }

    /// The login is a frame: nothing is said before.
    fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        endpoint
    }

    fn preset_mut(&mut self) -> &mut Preset {
        match self {
            Self::Vendor(vendor) => &mut vendor.preset,
            Self::Scanner(scanner) => &mut scanner.preset,
        }
    }
}

impl Lines {
    /// Lines that want to connect at once.
    #[must_use]
    pub fn new(config: &LinesConfig, seed: u64, now: Timestamp) -> Self {
        let login = match config {
            LinesConfig::Vendor(vendor) => wire::vendor_login(&vendor.vendor_id, &vendor.api_key),
            LinesConfig::Scanner(scanner) => wire::scanner_login(&scanner.device_id, &scanner.device_key),
        };
        let link = Link::new(config.preset().clone(), wire::PING, seed, now);
        Self { login, link, pings: 0, over: false }
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        if !self.link.hears() {
            return;
        }
        self.link.heard();
        match Incoming::parse(text) {
            Ok(Incoming::Authenticated) if self.link.is_logging_in() => {
                self.pings = 0;
                self.link.authenticated(now, out);
            }
            Ok(Incoming::LoginRefused(problem)) if self.link.is_logging_in() => {
                self.link.end(now, Ended::Refused(problem), out);
            }
            Ok(Incoming::Pong) if self.pings > 0 => self.pings -= 1,
            Ok(Incoming::Error(context_id, problem)) => {
                out.push(Output::Event(LinesEvent::Frame(text.to_owned())));
                if let Some(stay_away) = problem.retry_after {
                    self.link.hint(now, stay_away);
                }
                if context_id.is_none()
                    && let Some(ended) = codes::ends_connection(&self.link, &problem)
                {
                    self.link.end(now, ended, out);
                }
            }
            Ok(_) | Err(_) => out.push(Output::Event(LinesEvent::Frame(text.to_owned()))),
        }
    }
}

impl Machine for Lines {
    type Command = Line;
    type Event = LinesEvent;

    fn handle(&mut self, now: Timestamp, input: Input<'_, Line>, out: &mut Out) {
        if self.over {
            if let Input::Command(Line(line)) = input {
                out.push(Output::Event(LinesEvent::NotSent { line, why: NotSent::Closed }));
            }
            return;
        }
        for line in self.link.expire(now) {
            out.push(Output::Event(LinesEvent::NotSent { line, why: NotSent::Expired }));
        }
        match input {
            Input::Opened => self.link.opened(now, self.login.clone(), out),
            Input::Text(text) => self.text(now, text, out),
            Input::Lost(lost) => self.link.lost(now, lost, out),
            Input::Wake => {
                let before = out.len();
                self.link.wake(now, out);
                let pinged = out[before..].iter().any(|output| matches!(output, Output::Send(_)));
                self.pings += u32::from(pinged);
            }
            Input::Command(Line(line)) => {
                let until = now.after(self.link.preset().queue_for);
                if let Err(why) = self.link.send(now, line.clone(), line.clone(), until, out) {
                    out.push(Output::Event(LinesEvent::NotSent { line, why }));
                }
            }
            Input::Close => self.link.end(now, Ended::Finished, out),
        }
        if let Some(ended) = self.link.ended().cloned() {
            for line in self.link.abandon() {
                out.push(Output::Event(LinesEvent::NotSent { line, why: NotSent::Closed }));
            }
            self.over = true;
            out.push(Output::Event(LinesEvent::State(State::Closed(ended))));
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.link.deadline()
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
