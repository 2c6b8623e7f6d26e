//! The vendors' protocols, one folder each, all of the same shape: frames in, asks out; tells in, frames out.

use std::sync::Arc;

use model::{Decision, Dialect, Input, Member, Now, Outbox, Question, Request, Role, Rules, Timestamp, Window};

/// Every dialect's numbers.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// Which machine answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// The protocol spoken there.
    pub dialect: Dialect,
    /// What one may be there.
    pub role: Role,
}

/// The door a request knocks at, by its path; none when nobody serves it.
#[must_use]
pub fn door(request: &Request) -> Option<Door> {
    let _ = request;
    None
}

/// The machine of one connection.
#[derive(Debug)]
pub enum Session {}

impl Session {
    /// A machine for that door; its first input is `Open`.
    #[must_use]
    pub fn new(config: &Config, door: Door, seed: u64, now: Now) -> Option<Self> {
        let _ = (config, door, seed, now);
        None
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        let _ = (now, input, out);
        match *self {}
    }

    /// When it wants `Wake`.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match *self {}
    }

    /// Whether a login is on its way: frames are held until it is answered.
    #[must_use]
    pub fn is_logging_in(&self) -> bool {
        match *self {}
    }

    /// Hands the lent windows back; the session is over.
    pub fn leave(&mut self) -> Vec<Window> {
        match *self {}
    }
}

/// How operations of that kind behave; none when the dialect has no such kind.
#[must_use]
pub fn rules(config: &Config, dialect: Dialect, kind: &str) -> Option<Arc<Rules>> {
    let _ = (config, dialect, kind);
    None
}

/// What a vendor's own server decides, as two pure functions.
#[derive(Clone, Copy)]
pub struct Service {
    /// Who the evidence may be about: the subject a member is looked up by.
    pub subject: fn(&Question) -> Option<Box<str>>,
    /// What it means.
    pub decide: fn(&Question, Option<&Member>) -> Decision,
}

/// The service of a dialect; none when performers' answers are final.
#[must_use]
pub fn service(dialect: Dialect) -> Option<Service> {
    let _ = dialect;
    None
}
