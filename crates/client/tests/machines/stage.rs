//! A machine on a stage: what it is told, what it says, and when.

use std::fmt::Debug;
use std::time::Duration;

use client::{Input, Lost, Machine, Output, State};
use model::{CloseCode, Timestamp};

/// A machine and its clock.
pub(crate) struct Stage<M: Machine> {
    pub(crate) machine: M,
    pub(crate) now: Timestamp,
}

impl<M: Machine> Stage<M>
where
    M::Event: PartialEq + Debug + Clone,
{
    /// A new machine, woken for the first time.
    pub(crate) fn new(make: impl FnOnce(Timestamp) -> M) -> Self {
        let now = Timestamp::from_millis(1_000_000);
        Self { machine: make(now), now }
    }

    pub(crate) fn input(&mut self, input: Input<'_, M::Command>) -> Vec<Output<M::Event>> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        out
    }

    pub(crate) fn hear(&mut self, text: &str) -> Vec<Output<M::Event>> {
        self.input(Input::Text(text))
    }

    pub(crate) fn command(&mut self, command: M::Command) -> Vec<Output<M::Event>> {
        self.input(Input::Command(command))
    }

    pub(crate) fn lost(&mut self, lost: Lost) -> Vec<Output<M::Event>> {
        self.input(Input::Lost(lost))
    }

    pub(crate) fn seconds_on(&self, seconds: u64) -> Timestamp {
        self.now.after(Duration::from_secs(seconds))
    }

    /// Moves the clock to the machine's own deadline and wakes it there.
    pub(crate) fn wait(&mut self) -> Vec<Output<M::Event>> {
        let deadline = self.machine.deadline().expect("the machine waits for something");
        assert!(deadline >= self.now, "a deadline in the past was not met");
        self.now = deadline;
        self.input(Input::Wake)
    }

    /// Moves the clock, waking the machine wherever it wants to be. Gives all it said.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Output<M::Event>> {
        let end = self.now.after(time);
        let mut out = Vec::new();
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            out.extend(self.input(Input::Wake));
        }
        self.now = end;
        out
    }
}

/// What came out, in words: frames as text, everything else as it is.
pub(crate) fn said<E: Debug>(out: &[Output<E>]) -> Vec<String> {
    out.iter()
        .map(|output| match output {
            Output::Connect => "connect".to_owned(),
            Output::Send(text) => format!("< {}", text.reveal()),
            Output::Close(CloseCode(code)) => format!("close {code}"),
            Output::Cut => "cut".to_owned(),
            Output::Event(event) => format!("* {event:?}"),
        })
        .collect()
}

/// The server closes.
pub(crate) fn closed(code: u16, reason: &str) -> Lost {
    Lost::Closed { code: Some(code), reason: reason.to_owned() }
}

/// A first attempt.
pub(crate) fn connecting() -> State {
    State::Connecting { attempt: 1, pause: Duration::ZERO }
}
