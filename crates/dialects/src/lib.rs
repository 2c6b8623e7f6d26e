//! The vendors' protocols, one folder each, all of the same shape: frames in, asks out; tells in, frames out.

pub mod boop;
pub mod ledger;
pub mod modulus;
mod pace;

use std::sync::Arc;
use std::time::Duration;

use model::{
    Announce, CloseCode, Decision, Dialect, EndpointId, Input, Member, Notice, Now, OperationRow, Outbox, Question,
    Reason, Request, Role, Rules, Secret, Timestamp, Wall, Window,
};

/// Every dialect's numbers.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// BOOP's.
    pub boop: Arc<boop::Choices>,
    /// Modulus'.
    pub modulus: Arc<modulus::Choices>,
}

/// Which machine answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// The protocol spoken there.
    pub dialect: Dialect,
    /// What one may be there; none where the credential decides it.
    pub role: Option<Role>,
    /// How one comes in.
    pub way: Way,
}

/// How a request comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It asks for a WebSocket.
    Socket,
    /// It is an HTTP call of its own.
    Call,
}

/// The door a request knocks at, by its path; none when nobody serves it.
#[must_use]
pub fn door(request: &Request, way: Way) -> Option<Door> {
    boop::door(request, way).or_else(|| modulus::door(request, way))
}

/// The machine of one connection.
#[derive(Debug)]
pub enum Session {
    /// A BOOP vendor.
    BoopRequester(Box<boop::Requester>),
    /// A BOOP scanner.
    BoopPerformer(Box<boop::Performer>),
    /// A Modulus till or terminal.
    ModulusConnection(Box<modulus::Connection>),
    /// An HTTP call of a Modulus till.
    ModulusCall(Box<modulus::Call>),
}

impl Session {
    /// A machine for that door; its first input is `Open`.
    #[must_use]
    pub fn new(config: &Config, door: Door, seed: u64, now: Now) -> Option<Self> {
        match (door.dialect, door.role) {
            (Dialect::Modulus, _) => Some(match door.way {
                Way::Socket => Self::ModulusConnection(Box::new(modulus::Connection::new(&config.modulus, seed))),
                Way::Call => Self::ModulusCall(Box::new(modulus::Call::new(&config.modulus))),
            }),
            (Dialect::Boop, Some(Role::Requester)) => {
                Some(Self::BoopRequester(Box::new(boop::Requester::new(&config.boop, now))))
            }
            (Dialect::Boop, Some(Role::Performer)) => {
                Some(Self::BoopPerformer(Box::new(boop::Performer::new(&config.boop, now))))
            }
            (Dialect::Boop, Some(Role::Admin) | None)
            | (Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay, _) => None,
        }
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        match self {
            Self::BoopRequester(session) => session.handle(now, input, out),
            Self::BoopPerformer(session) => session.handle(now, input, out),
            Self::ModulusConnection(session) => session.handle(now, input, out),
            Self::ModulusCall(session) => session.handle(now, input, out),
        }
    }

    /// When it wants `Wake`.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::BoopRequester(session) => session.deadline(),
            Self::BoopPerformer(session) => session.deadline(),
            Self::ModulusConnection(session) => session.deadline(),
            Self::ModulusCall(session) => session.deadline(),
        }
    }

    /// Whether a login is on its way: frames are held until it is answered.
    #[must_use]
    pub fn is_logging_in(&self) -> bool {
        match self {
            Self::BoopRequester(session) => session.is_logging_in(),
            Self::BoopPerformer(session) => session.is_logging_in(),
            Self::ModulusConnection(session) => session.is_logging_in(),
            Self::ModulusCall(_) => false,
        }
    }

    /// Hands the lent windows back; the session is over.
    pub fn leave(&mut self) -> Vec<Window> {
        match self {
            Self::BoopRequester(session) => session.leave(),
            Self::BoopPerformer(session) => session.leave(),
            Self::ModulusConnection(session) => session.leave(),
            Self::ModulusCall(session) => session.leave(),
        }
    }
}

/// The close code a dialect's peers see for a reason: ours, where the vendor knows no others.
#[must_use]
pub const fn close_code(dialect: Dialect, reason: Reason) -> CloseCode {
    match dialect {
        // PowerEPOS documents 1000 only; the reason says the rest.
        Dialect::Ordernpay => CloseCode::NORMAL,
        Dialect::Modulus | Dialect::Fingerprint | Dialect::Fd1 | Dialect::Boop => reason.code(),
    }
}

/// How operations of that kind behave; none when the dialect has no such kind.
#[must_use]
pub fn rules(config: &Config, dialect: Dialect, kind: &str) -> Option<Arc<Rules>> {
    match dialect {
        Dialect::Boop => boop::Kind::parse(kind).map(|_| boop::rules(&config.boop)),
        Dialect::Modulus => modulus::Kind::parse(kind).map(|kind| modulus::rules(&config.modulus, kind)),
        Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay => None,
    }
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
    match dialect {
        Dialect::Boop => Some(boop::service()),
        Dialect::Modulus | Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay => None,
    }
}

/// Names of headers with their values.
pub type Headers = Vec<(&'static str, String)>;

/// How a vendor's webhooks are made.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// After how long without an outcome work is late.
    pub late_after: Duration,
    /// What an endpoint is told.
    pub print: fn(&Announce, &OperationRow, &EndpointId) -> Option<Notice>,
    /// The headers of one try.
    pub sign: fn(&Secret, Wall, &[u8]) -> Headers,
    /// How long one try may take.
    pub within: Duration,
    /// How many there are.
    pub tries: u32,
    /// Between two of them.
    pub pause: Duration,
    /// Whether endpoints may be without TLS and at addresses that are not public.
    pub anywhere: bool,
}

/// The webhooks of a dialect; none when it has none.
#[must_use]
pub fn hooks(config: &Config, dialect: Dialect) -> Option<Hooks> {
    match dialect {
        Dialect::Modulus => Some(modulus::hooks(&config.modulus)),
        Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay | Dialect::Boop => None,
    }
}

/// The webhooks work of that kind is announced by; none when nobody is told of it.
#[must_use]
pub fn announces(config: &Config, dialect: Dialect, kind: &str) -> Option<Hooks> {
    match dialect {
        Dialect::Modulus if modulus::Kind::parse(kind) == Some(modulus::Kind::PaymentHook) => hooks(config, dialect),
        Dialect::Modulus | Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay | Dialect::Boop => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_has_rules_and_nothing_else_has() {
        let config = Config::default();
        for kind in ["payment", "entrance", "membership", "age_verification"] {
            assert!(rules(&config, Dialect::Boop, kind).is_some(), "{kind}");
        }
        assert!(rules(&config, Dialect::Boop, "haircut").is_none());
        for kind in modulus::Kind::ALL {
            assert!(rules(&config, Dialect::Modulus, kind.name()).is_some(), "{kind:?}");
        }
        assert!(rules(&config, Dialect::Modulus, "entrance").is_none());
    }

    /// Thousands of idle sockets wait in these. Raise a line only knowingly.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<boop::Requester>() <= 256, "{}", size_of::<boop::Requester>());
        assert!(size_of::<boop::Performer>() <= 168, "{}", size_of::<boop::Performer>());
        assert!(size_of::<modulus::Connection>() <= 288, "{}", size_of::<modulus::Connection>());
        assert!(size_of::<Session>() <= 16);
    }

    #[test]
    fn a_door_nobody_serves_has_no_machine() {
        let config = Config::default();
        for (dialect, role) in [(Dialect::Boop, Some(Role::Admin)), (Dialect::Fd1, None)] {
            let door = Door { dialect, role, way: Way::Socket };
            assert!(Session::new(&config, door, 0, Now::from_millis(0)).is_none());
        }
    }
}
