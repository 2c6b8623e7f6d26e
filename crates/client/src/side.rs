//! What the sides of all dialects have in common: the life of a connection around what each of them says and hears.

use model::Timestamp;

use crate::link::{Change, Ended, Link, State};
use crate::machine::{Input, Machine, Output};

/// One side of one dialect, carried by a [`Link`]: a till, a terminal, a vendor, a scanner, or bare lines. It is a
/// [`Machine`] by that. Nobody outside can name this, or make another.
pub trait Side {
    /// What an application may want of it.
    type Command;
    /// What an application is told.
    type Event: From<Change>;
    /// What a message that waits for the login belongs to.
    type Waiting: PartialEq;

    /// What carries it.
    fn link(&self) -> &Link<Self::Waiting>;

    /// The same, to be told something.
    fn link_mut(&mut self) -> &mut Link<Self::Waiting>;

    /// Settles what has waited too long.
    fn expire(&mut self, now: Timestamp, out: &mut Vec<Output<Self::Event>>);

    /// The login is done, and what belongs to `written` was sent.
    fn logged_in(&mut self, now: Timestamp, written: Vec<Self::Waiting>, out: &mut Vec<Output<Self::Event>>);

    /// A text message came. Where the login is a frame, its answer is among them.
    fn text(&mut self, now: Timestamp, text: &str, out: &mut Vec<Output<Self::Event>>);

    /// The application wants something.
    fn command(&mut self, now: Timestamp, command: Self::Command, out: &mut Vec<Output<Self::Event>>);

    /// The application wants something, and it is over.
    fn refuse(&mut self, command: Self::Command, out: &mut Vec<Output<Self::Event>>);

    /// It is over: settles whatever is open.
    fn abandon(&mut self, out: &mut Vec<Output<Self::Event>>);

    /// When something of its own is due.
    fn due(&self) -> Option<Timestamp>;
}

impl<S: Side> Machine for S {
    type Command = <S as Side>::Command;
    type Event = <S as Side>::Event;

    fn handle(&mut self, now: Timestamp, input: Input<'_, Self::Command>, out: &mut Vec<Output<Self::Event>>) {
        if self.link().is_over() {
            if let Input::Command(command) = input {
                self.refuse(command, out);
            }
            return;
        }
        // What has waited too long must not be sent by a login that comes in the same instant.
        self.expire(now, out);
        match input {
            Input::Opened => {
                let written = self.link_mut().opened(now, out);
                if self.link().is_logged_in() {
                    self.logged_in(now, written, out);
                }
            }
            Input::Text(text) => {
                if self.link_mut().heard() {
                    self.text(now, text, out);
                }
            }
            Input::Lost(lost) => self.link_mut().lost(now, lost, out),
            Input::Wake => self.link_mut().wake(now, out),
            Input::Command(command) => self.command(now, command, out),
            Input::Close => self.link_mut().end(now, Ended::Finished, out),
        }
        if let Some(ended) = self.link_mut().over() {
            self.abandon(out);
            out.push(Output::Event(Change::State(State::Closed(ended)).into()));
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let link = self.link().deadline()?;
        Some(self.due().map_or(link, |due| due.min(link)))
    }

    fn is_over(&self) -> bool {
        self.link().is_over()
    }
}
