//! A connection with login and heartbeat done, and everything else left to whoever writes and reads the lines.

use model::Timestamp;

use super::codes;
use super::performer::TerminalConfig;
use super::requester::PosConfig;
use super::wire::{self, Incoming};
use crate::lines::{Line, LinesEvent, RawConfig};
use crate::link::{Ended, Link, NotSent, Preset, State};
use crate::machine::{Input, Machine, Output, Text};
use crate::shell::Endpoint;

/// Whose lines they are.
#[derive(Clone, Debug)]
pub enum LinesConfig {
    /// A till's.
    Pos(PosConfig),
    /// A terminal's.
    Terminal(TerminalConfig),
}

type Out = Vec<Output<LinesEvent>>;

/// The machine.
///
/// ```
/// use client::modulus::{Lines, LinesConfig, PosConfig};
/// use client::{Machine, State};
/// use model::{Secret, Timestamp};
///
/// let now = Timestamp::from_millis(0);
/// let lines = Lines::new(&LinesConfig::Pos(PosConfig::new(Secret::new("mk_test_till4"))), 7, now);
/// assert_eq!(lines.deadline(), Some(now), "it wants to be woken at once");
/// ```
#[derive(Debug)]
pub struct Lines {
    link: Link<Text>,
    /// Pings of ours whose pong is not a line.
    pings: u32,
    over: bool,
}

impl LinesConfig {
    fn preset(&self) -> &Preset {
        match self {
            Self::Pos(pos) => &pos.preset,
            Self::Terminal(terminal) => &terminal.preset,
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

    fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        match self {
            Self::Pos(pos) => pos.endpoint(endpoint),
            Self::Terminal(terminal) => terminal.endpoint(endpoint),
        }
    }

    fn preset_mut(&mut self) -> &mut Preset {
        match self {
            Self::Pos(pos) => &mut pos.preset,
            Self::Terminal(terminal) => &mut terminal.preset,
        }
    }
}

impl Lines {
    /// Lines that want to connect at once.
    #[must_use]
    pub fn new(config: &LinesConfig, seed: u64, now: Timestamp) -> Self {
        Self { link: Link::new(config.preset().clone(), wire::PING, seed, now), pings: 0, over: false }
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        if !self.link.hears() {
            return;
        }
        self.link.heard();
        let incoming = Incoming::parse(text);
        if incoming == Ok(Incoming::Pong) && self.pings > 0 {
            self.pings -= 1;
            return;
        }
        out.push(Output::Event(LinesEvent::Frame(text.to_owned())));
        if let Ok(Incoming::ForceDisconnect { reason, problem }) = incoming
            && let Some(ended) = codes::ends_connection(&reason, &problem)
        {
            self.link.end(now, ended, out);
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
            Input::Opened => {
                self.pings = 0;
                self.link.admitted(now, out);
            }
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
