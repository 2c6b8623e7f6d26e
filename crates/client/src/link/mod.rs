//! One connection and its successors, whatever is spoken on it: attempts, login, heartbeat, queue, goodbye.
//!
//! ```text
//!   Pausing ──▶ Dialing ──▶ LoggingIn ──▶ LoggedIn        any loss leads back to Pausing,
//!      ▲           │            │             │           or to Ended when there is no point in coming back
//!      └───────────┴────────────┴─────────────┘
//!                               └──▶ Closing ──▶ Ended    when we want out, or the server told us to stay out
//! ```
//!
//! Where the upgrade is the login, Dialing leads to LoggedIn at once.
//!
//! What an answer looks like is the dialect's affair; it also has the last word: a link that has ended does not announce
//! it, so that its owner can settle what is open [first](Link::over).

mod backoff;
mod preset;
mod queue;
mod state;

use std::time::Duration;

use model::{CloseCode, Timestamp};

use crate::login::{Login, Meaning};
use crate::machine::{Output, Text};
use crate::problem::Problem;
use backoff::Backoff;
pub use preset::Preset;
use queue::Queue;
pub use state::{Ended, Lost, State};

/// What a link tells its owner's application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// How far the connection has come.
    State(State),
    /// An attempt failed, or the connection was lost.
    Lost(Lost),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way. Whether it arrives is unknown until it is answered.
    Written,
    /// It waits for the login.
    Queued,
}

/// Why a message never left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Its time was over before there was a login.
    #[error("it waited too long for a login")]
    Expired,
    /// Too much waits already.
    #[error("too much is waiting already")]
    Full,
    /// It is longer than [`Preset::message_bytes`].
    #[error("it has {bytes} bytes, at most {most} are sent")]
    TooBig {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// The same is under way already.
    #[error("one with the same id is under way")]
    Repeated,
    /// The system gives no randomness to make an id of.
    #[error("there is no randomness to make an id of")]
    NoFreshId,
    /// It was taken back in time.
    #[error("it was cancelled before it was sent")]
    Cancelled,
    /// The connection is closed, or being closed.
    #[error("the connection is closed")]
    Closed,
}

/// The machine. `K` names what a queued message belongs to.
#[derive(Debug)]
pub struct Link<K> {
    preset: Preset,
    login: Option<Text>,
    ping: &'static str,
    /// Pings of this session without a pong.
    unanswered: u32,
    phase: Phase,
    queue: Queue<K>,
    backoff: Backoff,
}

#[derive(Debug)]
enum Phase {
    New { at: Timestamp },
    Pausing { until: Timestamp },
    Dialing { until: Timestamp },
    LoggingIn { until: Timestamp },
    LoggedIn { since: Timestamp, beat: Beat },
    Closing { until: Timestamp, ended: Ended },
    Ended(Ended),
    Over,
}

#[derive(Debug)]
enum Beat {
    Resting { ping_at: Timestamp },
    Pinged { answer_by: Timestamp, ping_at: Timestamp },
}

impl<K: PartialEq> Link<K> {
    /// A link that wants to be woken at once.
    pub(crate) fn new<L: Login>(login: &L, seed: u64, now: Timestamp) -> Self {
        Self {
            preset: login.preset().clone(),
            login: login.frame(),
            ping: L::PING,
            unanswered: 0,
            phase: Phase::New { at: now },
            queue: Queue::new(),
            backoff: Backoff::new(seed),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let phase = match &self.phase {
            Phase::New { at: until }
            | Phase::Pausing { until }
            | Phase::Dialing { until }
            | Phase::LoggingIn { until }
            | Phase::Closing { until, .. }
            | Phase::LoggedIn { beat: Beat::Resting { ping_at: until }, .. }
            | Phase::LoggedIn { beat: Beat::Pinged { answer_by: until, .. }, .. } => *until,
            Phase::Ended(_) | Phase::Over => return None,
        };
        Some(self.queue.deadline().map_or(phase, |queue| queue.min(phase)))
    }

    /// Why it ended, once it has; told once. Then it is over.
    pub(crate) fn over(&mut self) -> Option<Ended> {
        let Phase::Ended(ended) = &self.phase else { return None };
        let ended = ended.clone();
        self.phase = Phase::Over;
        Some(ended)
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    pub(crate) fn is_logging_in(&self) -> bool {
        matches!(self.phase, Phase::LoggingIn { .. })
    }

    pub(crate) fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::LoggedIn { .. })
    }

    /// Whether what is sent goes out, now or after a login.
    pub(crate) fn accepts(&self) -> bool {
        !matches!(self.phase, Phase::Closing { .. } | Phase::Ended(_) | Phase::Over)
    }

    pub(crate) fn preset(&self) -> &Preset {
        &self.preset
    }

    /// Does what is due.
    pub(crate) fn wake<E: From<Change>>(&mut self, now: Timestamp, out: &mut Vec<Output<E>>) {
        match &mut self.phase {
            Phase::New { .. } => {
                let state = State::Connecting { attempt: 1, pause: Duration::ZERO };
                out.push(Output::Event(Change::State(state).into()));
                self.dial(now, out);
            }
            Phase::Pausing { until } if now >= *until => self.dial(now, out),
            Phase::Dialing { until } if now >= *until => self.cut(now, Lost::ConnectTimeout, out),
            Phase::LoggingIn { until } if now >= *until => self.cut(now, Lost::LoginTimeout, out),
            Phase::LoggedIn { beat, .. } => match beat {
                Beat::Resting { ping_at } if now >= *ping_at => {
                    *beat = Beat::Pinged {
                        answer_by: now.after(self.preset.answer_within),
                        ping_at: now.after(self.preset.ping_every),
                    };
                    self.unanswered = self.unanswered.saturating_add(1);
                    out.push(Output::Send(Text::new(self.ping)));
                }
                Beat::Pinged { answer_by, .. } if now >= *answer_by => self.cut(now, Lost::PingTimeout, out),
                Beat::Resting { .. } | Beat::Pinged { .. } => {}
            },
            Phase::Closing { until, ended } if now >= *until => {
                out.push(Output::Cut);
                self.phase = Phase::Ended(ended.clone());
            }
            Phase::Pausing { .. }
            | Phase::Dialing { .. }
            | Phase::LoggingIn { .. }
            | Phase::Closing { .. }
            | Phase::Ended(_)
            | Phase::Over => {}
        }
    }

    /// Takes out of the queue what has waited too long.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<K> {
        self.queue.expire(now)
    }

    /// Takes everything out of the queue, unsent.
    pub(crate) fn abandon(&mut self) -> Vec<K> {
        std::iter::from_fn(|| self.queue.pop()).map(|(key, _)| key).collect()
    }

    /// The connection is open. The login is the first thing said on it; where the upgrade was the login, what waited goes
    /// out. Gives what that belonged to, in order.
    pub(crate) fn opened<E: From<Change>>(&mut self, now: Timestamp, out: &mut Vec<Output<E>>) -> Vec<K> {
        if !matches!(self.phase, Phase::Dialing { .. }) {
            return Vec::new();
        }
        let Some(login) = self.login.clone() else { return self.log_in(now, out) };
        self.phase = Phase::LoggingIn { until: now.after(self.preset.login_within) };
        out.push(Output::Event(Change::State(State::Open).into()));
        out.push(Output::Send(login));
        Vec::new()
    }

    /// The server accepted the login: what waited goes out. Gives what it belonged to, in order.
    pub(crate) fn authenticated<E: From<Change>>(&mut self, now: Timestamp, out: &mut Vec<Output<E>>) -> Vec<K> {
        if self.is_logging_in() { self.log_in(now, out) } else { Vec::new() }
    }

    fn log_in<E: From<Change>>(&mut self, now: Timestamp, out: &mut Vec<Output<E>>) -> Vec<K> {
        self.unanswered = 0;
        let beat = Beat::Resting { ping_at: now.after(self.preset.ping_every) };
        self.phase = Phase::LoggedIn { since: now, beat };
        out.push(Output::Event(Change::State(State::Authenticated).into()));
        let mut written = Vec::new();
        while let Some((key, text)) = self.queue.pop() {
            out.push(Output::Send(text));
            written.push(key);
        }
        written
    }

    /// A frame came: the server lives. After a ping, anything counts as its answer. Gives whether the frame is still ours
    /// to read.
    pub(crate) fn heard(&mut self) -> bool {
        if let Phase::LoggedIn { beat, .. } = &mut self.phase
            && let Beat::Pinged { ping_at, .. } = *beat
        {
            *beat = Beat::Resting { ping_at };
        }
        matches!(self.phase, Phase::LoggingIn { .. } | Phase::LoggedIn { .. } | Phase::Closing { .. })
    }

    /// A pong came. Gives whether a ping of this link's own asked for it.
    pub(crate) fn ponged(&mut self) -> bool {
        let is_asked_for = self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        is_asked_for
    }

    /// Does what a frame means for the connection, but for a login, which has words that wait. Gives whether it ends.
    pub(crate) fn obey<E: From<Change>>(&mut self, now: Timestamp, meaning: Meaning, out: &mut Vec<Output<E>>) -> bool {
        let ended = match meaning {
            Meaning::Refused(problem) => Ended::Refused(problem),
            Meaning::Ends(ended) => ended,
            Meaning::StayAway(time) => {
                self.hint(now, time);
                return false;
            }
            Meaning::LoggedIn | Meaning::Pong | Meaning::Nothing => return false,
        };
        self.end(now, ended, out);
        true
    }

    /// The server asked to be left alone for so long once this connection is over.
    pub(crate) fn hint(&mut self, now: Timestamp, stay_away: Duration) {
        self.backoff.hint(now, stay_away, &self.preset);
    }

    /// Sends a message, now or after the next login but before `until`.
    pub(crate) fn send<E>(
        &mut self,
        now: Timestamp,
        key: K,
        text: Text,
        until: Timestamp,
        out: &mut Vec<Output<E>>,
    ) -> Result<Sent, NotSent> {
        let (bytes, most) = (text.reveal().len(), self.preset.message_bytes);
        if bytes > most {
            return Err(NotSent::TooBig { bytes, most });
        }
        if now >= until {
            return Err(NotSent::Expired);
        }
        match &self.phase {
            Phase::LoggedIn { .. } => {
                out.push(Output::Send(text));
                Ok(Sent::Written)
            }
            Phase::New { .. } | Phase::Pausing { .. } | Phase::Dialing { .. } | Phase::LoggingIn { .. } => {
                let room = self.queue.push(key, text, until, self.preset.queue_messages);
                if room { Ok(Sent::Queued) } else { Err(NotSent::Full) }
            }
            Phase::Closing { .. } | Phase::Ended(_) | Phase::Over => Err(NotSent::Closed),
        }
    }

    /// Takes a message out of the queue. Gives whether it had not been sent.
    pub(crate) fn take_back(&mut self, key: &K) -> bool {
        self.queue.take_back(key)
    }

    /// The attempt failed, or the connection is gone.
    pub(crate) fn lost<E: From<Change>>(&mut self, now: Timestamp, lost: Lost, out: &mut Vec<Output<E>>) {
        match &self.phase {
            Phase::New { .. } | Phase::Pausing { .. } | Phase::Ended(_) | Phase::Over => return,
            Phase::Closing { ended, .. } => {
                self.phase = Phase::Ended(ended.clone());
                return;
            }
            Phase::LoggedIn { since, .. }
                if now.since(*since) >= self.preset.stable_after && self.preset.attempts_most != 1 =>
            {
                self.backoff.forgive();
            }
            Phase::Dialing { .. } | Phase::LoggingIn { .. } | Phase::LoggedIn { .. } => {
                if !self.backoff.fail(&self.preset) {
                    out.push(Output::Event(Change::Lost(lost.clone()).into()));
                    let given_up = Ended::GaveUp { attempts: self.preset.attempts_most, last: lost.clone() };
                    self.phase = Phase::Ended(verdict(&lost).unwrap_or(given_up));
                    return;
                }
            }
        }
        out.push(Output::Event(Change::Lost(lost.clone()).into()));
        if let Some(ended) = verdict(&lost) {
            self.phase = Phase::Ended(ended);
            return;
        }
        if let Some(stay_away) = hint_of(&lost) {
            self.hint(now, stay_away);
        }
        let pause = self.backoff.pause(now, &self.preset);
        self.phase = Phase::Pausing { until: now.after(pause) };
        let state = State::Connecting { attempt: self.backoff.attempt(), pause };
        out.push(Output::Event(Change::State(state).into()));
    }

    /// Says goodbye and does not come back. The first reason stays.
    pub(crate) fn end<E: From<Change>>(&mut self, now: Timestamp, ended: Ended, out: &mut Vec<Output<E>>) {
        match &self.phase {
            Phase::LoggingIn { .. } | Phase::LoggedIn { .. } => {
                out.push(Output::Event(Change::State(State::Closing).into()));
                out.push(Output::Close(CloseCode::NORMAL));
                self.phase = Phase::Closing { until: now.after(self.preset.close_within), ended };
            }
            Phase::Dialing { .. } => {
                out.push(Output::Cut);
                self.phase = Phase::Ended(ended);
            }
            Phase::New { .. } | Phase::Pausing { .. } => self.phase = Phase::Ended(ended),
            Phase::Closing { .. } | Phase::Ended(_) | Phase::Over => {}
        }
    }

    fn dial<E>(&mut self, now: Timestamp, out: &mut Vec<Output<E>>) {
        self.phase = Phase::Dialing { until: now.after(self.preset.connect_within) };
        out.push(Output::Connect);
    }

    fn cut<E: From<Change>>(&mut self, now: Timestamp, lost: Lost, out: &mut Vec<Output<E>>) {
        out.push(Output::Cut);
        self.lost(now, lost, out);
    }
}

/// Whether there is no point in coming back after this.
fn verdict(lost: &Lost) -> Option<Ended> {
    let said = |problem: &Problem| {
        if problem.is_silent() { Problem::new(None, lost.to_string()) } else { problem.clone() }
    };
    let (code, problem) = match lost {
        Lost::Closed { code: Some(code), reason } => (CloseCode(*code), Problem::new(None, reason.clone())),
        Lost::Rejected { status: 401, problem } => (CloseCode::NOT_AUTHENTICATED, said(problem)),
        Lost::Rejected { status: 403, problem } => (CloseCode::NOT_PERMITTED, said(problem)),
        Lost::Closed { code: None, .. }
        | Lost::Rejected { .. }
        | Lost::Unreachable(_)
        | Lost::Tls(_)
        | Lost::Handshake(_)
        | Lost::ConnectTimeout
        | Lost::LoginTimeout
        | Lost::PingTimeout
        | Lost::Broken(_)
        | Lost::Protocol(_) => return None,
    };
    match code {
        CloseCode::NOT_AUTHENTICATED => Some(Ended::Refused(problem)),
        CloseCode::NOT_PERMITTED => Some(Ended::Forbidden(problem)),
        CloseCode::DISPLACED => Some(Ended::Displaced),
        _ => None,
    }
}

/// How long the way in which it was lost asks us to stay away.
fn hint_of(lost: &Lost) -> Option<Duration> {
    match lost {
        Lost::Rejected { problem, .. } => problem.retry_after,
        Lost::Closed { reason, .. } => retry_after_in(reason),
        Lost::Unreachable(_)
        | Lost::Tls(_)
        | Lost::Handshake(_)
        | Lost::ConnectTimeout
        | Lost::LoginTimeout
        | Lost::PingTimeout
        | Lost::Broken(_)
        | Lost::Protocol(_) => None,
    }
}

/// Finds `retry_after=3`, `retry_after: 250ms` or `retry after 3s` in a close reason; a bare number is seconds.
fn retry_after_in(reason: &str) -> Option<Duration> {
    let lower = reason.to_ascii_lowercase();
    let at = ["retry_after", "retry-after", "retry after"].iter().find_map(|words| lower.find(words))?;
    let rest = lower[at + "retry_after".len()..].trim_start_matches([' ', '=', ':']);
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let number: u64 = rest[..digits].parse().ok()?;
    let unit = rest[digits..].trim_start();
    Some(if unit.starts_with("ms") { Duration::from_millis(number) } else { Duration::from_secs(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_reason_can_carry_a_hint() {
        let table = [
            ("drained retry_after=3", Some(3_000)),
            ("retry_after: 250ms", Some(250)),
            ("busy, Retry after 7 s please", Some(7_000)),
            ("retry_after", None),
            ("retry_after=soon", None),
            ("drained", None),
            ("", None),
        ];
        for (reason, millis) in table {
            assert_eq!(retry_after_in(reason), millis.map(Duration::from_millis), "{reason}");
        }
    }
}
