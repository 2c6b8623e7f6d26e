//! Who connects: what each side of each dialect says to be let in, how it beats, and what the answers mean for the
//! connection.

use std::time::Duration;

use crate::link::{Ended, Preset};
use crate::machine::Text;
use crate::problem::Problem;
use crate::shell::Endpoint;

/// Who connects, as one side of one dialect.
pub trait Login: Send + 'static {
    /// The frame of its heartbeat.
    const PING: &'static str;

    /// The server's address, with what is said while connecting: nothing where the login is a frame.
    #[must_use]
    fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        endpoint
    }

    /// The first frame on a connection; none where the upgrade is the login.
    fn frame(&self) -> Option<Text> {
        None
    }

    /// The manners on the line.
    fn preset(&self) -> &Preset;

    /// The same, to be changed.
    fn preset_mut(&mut self) -> &mut Preset;

    /// What a frame from the server means for the connection. The same words may mean something else to a login.
    fn meaning(frame: &str, is_logging_in: bool) -> Meaning;
}

/// What a frame means for the connection it came on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The login is accepted.
    LoggedIn,
    /// The login is refused.
    Refused(Problem),
    /// A ping is answered.
    Pong,
    /// The server asks to be left alone for so long, once this connection is over.
    StayAway(Duration),
    /// There is no point in coming back.
    Ends(Ended),
    /// Nothing.
    Nothing,
}
