//! One connection as the node holds it: its machine, the frames held while it logs in, the asks it has open.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use dialects::{Door, Session, Way};
use model::{
    Ask, AskId, DeviceId, Digest, Frame, GroupId, Partition, Principal, Reason, Request, Route, SessionSeen, Submit,
    Timestamp, Verdict, Wall,
};

/// Frames held for one session before its socket is not read any more.
pub const LINE_FRAMES: usize = 64;
/// Bytes held for one session before its socket is not read any more.
pub const LINE_BYTES: usize = 256 * 1024;

/// A frame that waits.
#[derive(Debug)]
pub(crate) enum HeldFrame {
    Text(Box<str>),
    Binary(usize),
    Ping,
    Pong,
}

impl HeldFrame {
    pub(crate) fn hold(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text.into()),
            // No dialect reads binary: that it came is all there is to know.
            Frame::Binary(bytes) => Self::Binary(bytes.len()),
            Frame::Ping => Self::Ping,
            Frame::Pong => Self::Pong,
        }
    }

    pub(crate) fn frame(&self) -> Frame<'_> {
        match self {
            Self::Text(text) => Frame::Text(text),
            Self::Binary(_) => Frame::Binary(&[]),
            Self::Ping => Frame::Ping,
            Self::Pong => Frame::Pong,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(size) => *size,
            Self::Ping | Self::Pong => 0,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) door: Door,
    pub(crate) session: Session,
    /// When it was opened.
    pub(crate) since: Wall,
    pub(crate) peer: IpAddr,
    /// The digest of the certificate it showed.
    pub(crate) certificate: Option<Digest>,
    /// Who it is, once proven and let in or about to be.
    pub(crate) principal: Option<Arc<Principal>>,
    /// The device it wants to be, or is.
    pub(crate) device: Option<DeviceId>,
    /// The ask that wants it let in, while that has no answer; afterwards it is in.
    pub(crate) admission: Admission,
    /// Why it was closed; nothing is said to it any more.
    pub(crate) closing: Option<Reason>,
    /// Its upgrade is complete: there is a socket.
    pub(crate) accepted: bool,
    /// When the timer set for it is due.
    pub(crate) armed: Option<Timestamp>,
    pub(crate) paused: bool,
    asks: Vec<(AskId, usize)>,
    line: VecDeque<HeldFrame>,
    line_bytes: usize,
}

/// Whether the partition knows the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It has not asked yet.
    Outside,
    /// It has asked.
    Asked(AskId, Partition),
    /// It is in.
    Inside(Partition),
}

impl Admission {
    pub(crate) const fn partition(self) -> Option<Partition> {
        match self {
            Self::Outside => None,
            Self::Asked(_, partition) | Self::Inside(partition) => Some(partition),
        }
    }
}

impl Slot {
    pub(crate) const fn new(since: Wall, door: Door, session: Session, request: &Request) -> Self {
        Self {
            door,
            session,
            since,
            peer: request.peer,
            certificate: request.certificate,
            principal: None,
            device: None,
            admission: Admission::Outside,
            closing: None,
            accepted: false,
            armed: None,
            paused: false,
            asks: Vec::new(),
            line: VecDeque::new(),
            line_bytes: 0,
        }
    }

    /// Whose group's it is, if operators see it: none while it is not in, or any more.
    pub(crate) fn group_seen(&self) -> Option<&GroupId> {
        let is_in = matches!(self.admission, Admission::Inside(_)) && self.closing.is_none();
        let is_seen = is_in && self.door.way == Way::Socket;
        self.principal.as_ref().filter(|_| is_seen).map(|who| &who.group)
    }

    /// As operators see it.
    pub(crate) fn seen(&self, route: Route) -> Option<SessionSeen> {
        self.group_seen()?;
        let who = self.principal.as_ref()?;
        Some(SessionSeen {
            route,
            dialect: who.dialect,
            role: who.role,
            group: who.group.clone(),
            principal: who.id.clone(),
            name: who.name.clone(),
            device: self.device.clone(),
            peer: self.peer,
            since: self.since,
        })
    }

    /// Whether a frame must wait behind others, or for an answer.
    pub(crate) fn must_hold(&self, asks_most: usize) -> bool {
        !self.line.is_empty() || self.session.is_logging_in() || self.asks.len() >= asks_most
    }

    pub(crate) fn hold(&mut self, frame: HeldFrame) {
        self.line_bytes += frame.size();
        self.line.push_back(frame);
    }

    /// The next held frame, if it need not wait any longer.
    pub(crate) fn next_held(&mut self, asks_most: usize) -> Option<HeldFrame> {
        if self.closing.is_some() || self.session.is_logging_in() || self.asks.len() >= asks_most {
            return None;
        }
        let frame = self.line.pop_front()?;
        self.line_bytes -= frame.size();
        if self.line.is_empty() {
            self.line = VecDeque::new();
        }
        Some(frame)
    }

    /// Whether the socket should not be read.
    pub(crate) fn is_full(&self, asks_most: usize) -> bool {
        self.line.len() >= LINE_FRAMES || self.line_bytes >= LINE_BYTES || self.asks.len() >= asks_most
    }

    /// Whether it can be read again after it was full.
    pub(crate) fn is_free(&self, asks_most: usize) -> bool {
        self.line.is_empty() && self.asks.len() < asks_most
    }

    /// Whether nothing waits in it and nothing is waited for: there is nothing to look after.
    pub(crate) fn is_quiet(&self) -> bool {
        self.line.is_empty() && self.asks.is_empty() && !self.paused
    }

    /// Notes an ask that will be answered.
    pub(crate) fn asked(&mut self, id: AskId, ask: &Ask) -> usize {
        let size = size(ask);
        self.asks.push((id, size));
        size
    }

    /// Notes the answer; says how many bytes of credit come back.
    pub(crate) fn answered(&mut self, id: AskId) -> usize {
        let Some(at) = self.asks.iter().position(|(open, _)| *open == id) else { return 0 };
        let (_, size) = self.asks.swap_remove(at);
        if self.asks.is_empty() {
            self.asks = Vec::new();
        }
        size
    }

    /// The credit of everything still open.
    pub(crate) fn open_bytes(&self) -> usize {
        self.asks.iter().map(|(_, size)| size).sum()
    }
}

/// About how many bytes an ask holds on its way.
fn size(ask: &Ask) -> usize {
    const ROW: usize = 256;
    ROW + match ask {
        Ask::Submit(submit) => {
            let Submit { request, memo, .. } = &**submit;
            request.len() + memo.len()
        }
        Ask::Answer(answer) => match &answer.verdict {
            Verdict::Started | Verdict::NotStarted => 0,
            Verdict::Note(bytes)
            | Verdict::Evidence(bytes)
            | Verdict::Completed(bytes)
            | Verdict::Declined(bytes)
            | Verdict::Failed(bytes) => bytes.len(),
        },
        Ask::Serve { names } => names.iter().map(|name| name.len()).sum(),
        Ask::Admit(_)
        | Ask::Leave { .. }
        | Ask::Cancel { .. }
        | Ask::Listen { .. }
        | Ask::Devices
        | Ask::Look { .. } => 0,
    }
}
