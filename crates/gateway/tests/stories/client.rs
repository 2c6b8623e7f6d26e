//! One peer at its end of a pipe: bytes of HTTP and of the codec in client role, checked strictly. It waits for nothing;
//! it is pumped.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use model::{CloseCode, Reason, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use transcript::world::{Hearing, Life, Sent, Shown};
use websocket::handshake::ClientHandshake;
use websocket::{Close, Connection, ControlPayload, Limits, Message, Role, encode};

/// Bytes of a message that the gateway may send at most.
const MESSAGE_MOST: usize = 1 << 20;

/// When a peer begins to send frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Once the upgrade is answered, as it should.
    Waits,
    /// At once, in the same packet as the request.
    Rushes,
}

pub(crate) struct Client {
    /// None once it is let go.
    pipe: Option<DuplexStream>,
    stage: Stage,
    hearing: Hearing,
    patience: Patience,
    handshake: ClientHandshake,
    codec: Connection,
    unsent: BytesMut,
    unread: Vec<u8>,
    /// Frames for after the upgrade.
    held: BytesMut,
    /// Payloads of pings that are not answered yet.
    pings: VecDeque<Vec<u8>>,
    count: u32,
    /// The code of our own close, when that came first.
    said: Option<u16>,
    /// Let go once everything is sent.
    leaves: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The answer to the request is awaited.
    Asked,
    /// Frames go both ways.
    Open,
    /// The gateway has closed and the peer is deaf: it never answers.
    Deaf,
    /// Everything is said: the gateway ends the stream now.
    Said,
    /// The stream has ended, or was let go.
    Over,
}

impl Client {
    /// A peer that has asked for an upgrade.
    pub(crate) fn new(
        pipe: DuplexStream,
        request: &Request,
        hearing: Hearing,
        patience: Patience,
        nonce: u128,
    ) -> Self {
        let handshake = ClientHandshake::new(nonce.to_be_bytes());
        let mut unsent = BytesMut::new();
        let mut line = |text: &str| unsent.extend_from_slice(format!("{text}\r\n").as_bytes());
        line(&format!("{} {} HTTP/1.1", request.method, target(request)));
        line("host: gate.example");
        handshake.headers().iter().for_each(|(name, value)| line(&format!("{name}: {value}")));
        request.headers.iter().for_each(|(name, value)| line(&format!("{name}: {value}")));
        line("");
        Self {
            pipe: Some(pipe),
            stage: Stage::Asked,
            hearing,
            patience,
            handshake,
            codec: Connection::new(Role::Client, Limits::of(MESSAGE_MOST)),
            unsent,
            unread: Vec::new(),
            held: BytesMut::new(),
            pings: VecDeque::new(),
            count: 0,
            said: None,
            leaves: false,
        }
    }

    /// How far it is, as the story sees it.
    pub(crate) fn life(&self) -> Life {
        match self.stage {
            _ if self.leaves || self.said.is_some() => Life::Over,
            Stage::Asked => Life::Opening,
            Stage::Open => Life::Open,
            Stage::Deaf => Life::Closing,
            Stage::Said | Stage::Over => Life::Over,
        }
    }

    pub(crate) fn waits_for_upgrade(&self) -> bool {
        self.stage == Stage::Asked && self.count > 0
    }

    pub(crate) fn send(&mut self, sent: &Sent) {
        let count = self.count.to_be_bytes();
        match sent {
            Sent::Text(text) => self.say(&Message::text(text.as_str())),
            Sent::Binary(bytes) => self.say(&Message::Binary(bytes.as_slice().into())),
            Sent::Pong => self.say(&Message::Pong(ControlPayload::EMPTY)),
            Sent::Ping => {
                self.pings.push_back(count.to_vec());
                self.say(&Message::Ping(ControlPayload::new(count.as_slice()).expect("four bytes fit")));
            }
        }
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) -> Result<(), String> {
        let code = websocket::CloseCode::new(code).ok_or_else(|| format!("no peer may close with {code}"))?;
        let close = Close::new(code, reason).map_err(|error| error.to_string())?;
        self.said = Some(code.get());
        self.say(&Message::Close(close));
        Ok(())
    }

    /// Sends what makes the codec give up for that reason.
    pub(crate) fn offend(&mut self, reason: Reason) -> Result<(), String> {
        // First bytes and lengths as a client writes them, with a mask of zeros.
        let bytes: &[u8] = match reason {
            Reason::TooBig => &[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Reason::BadText => &[0x81, 0x81, 0, 0, 0, 0, 0xff],
            Reason::Protocol => &[0xf1, 0x80, 0, 0, 0, 0],
            other => return Err(format!("nothing a peer sends makes the codec say {other}")),
        };
        self.put(bytes);
        Ok(())
    }

    /// Goes without a word, once what it has said is sent.
    pub(crate) fn leave(&mut self) {
        self.leaves = true;
    }

    /// The other end was killed.
    pub(crate) fn cut(&mut self) {
        self.stage = Stage::Over;
        self.pipe = None;
    }

    /// What is wrong when nothing moves any more within an instant and the gateway has `read` everything.
    pub(crate) fn at_rest(&self, read: bool) -> Option<String> {
        let wrong = match self.stage {
            Stage::Open if read && !self.pings.is_empty() => "a ping is not answered",
            Stage::Open if read && !self.unsent.is_empty() => "the gateway does not read",
            Stage::Said => "everything is said, and the gateway does not end the stream",
            _ if self.leaves && self.pipe.is_some() => "the gateway does not read what was sent before the loss",
            Stage::Asked | Stage::Open | Stage::Deaf | Stage::Over => return None,
        };
        Some(wrong.to_owned())
    }

    fn say(&mut self, message: &Message<'_>) {
        let mut frame = BytesMut::new();
        encode(message, Role::Client, self.count.wrapping_mul(0x9e37_79b9) ^ 0x5a5a_a5a5, &mut frame);
        self.put(&frame);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.count += 1;
        match (self.stage, self.patience) {
            (Stage::Asked, Patience::Waits) => self.held.extend_from_slice(bytes),
            _ => self.unsent.extend_from_slice(bytes),
        }
    }

    /// Writes and reads what goes; whether anything went.
    pub(crate) fn pump(&mut self, seen: &mut Vec<Shown>) -> Result<bool, String> {
        let Some(pipe) = &mut self.pipe else { return Ok(false) };
        let mut context = Context::from_waker(Waker::noop());
        let mut moved = false;
        while !self.unsent.is_empty() {
            match Pin::new(&mut *pipe).poll_write(&mut context, &self.unsent) {
                Poll::Ready(Ok(count)) if count > 0 => self.unsent.advance(count),
                // The other end is gone; reading says how.
                Poll::Ready(_) => self.unsent.clear(),
                Poll::Pending => break,
            }
            moved = true;
        }
        let mut ended = false;
        let mut bytes = [0; 4096];
        while !ended {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *pipe).poll_read(&mut context, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.unread.extend_from_slice(buffer.filled()),
                Poll::Ready(_) => ended = true,
            }
            moved = true;
        }
        self.read(seen)?;
        if ended {
            self.pipe = None;
            let stage = std::mem::replace(&mut self.stage, Stage::Over);
            if !self.unread.is_empty() {
                return Err(format!("the stream ends within a message: {:?}", self.unread));
            }
            if !matches!(stage, Stage::Said | Stage::Deaf) {
                return Err(format!("the stream ends without a goodbye, at a peer that is {stage:?}"));
            }
        } else if self.leaves && self.unsent.is_empty() {
            self.cut();
            moved = true;
        }
        Ok(moved)
    }

    fn read(&mut self, seen: &mut Vec<Shown>) -> Result<(), String> {
        if self.stage == Stage::Asked
            && let Some(answer) = Answer::read(&mut self.unread)?
        {
            if answer.status == 101 {
                let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                self.handshake.verify(101, headers).map_err(|error| error.to_string())?;
                self.stage = Stage::Open;
                self.unsent.unsplit(self.held.split());
                seen.push(Shown::Accept);
            } else {
                self.stage = Stage::Said;
                self.held.clear();
                let (response, last) = answer.into_response()?;
                if !last {
                    return Err("a refusal after which the connection is not to be closed".to_owned());
                }
                seen.push(Shown::Refuse(response));
            }
        }
        while matches!(self.stage, Stage::Open) {
            let came = self.unread.len();
            let mut input = &mut self.unread[..];
            let message = self.codec.receive(&mut input).map_err(|error| format!("{error}"))?.map(Message::into_owned);
            let left = input.len();
            self.unread.drain(..came - left);
            let Some(message) = message else { break };
            self.hear(&message, seen)?;
        }
        match self.stage {
            Stage::Said | Stage::Deaf | Stage::Over if !self.unread.is_empty() => {
                Err(format!("more comes after everything is said: {:?}", String::from_utf8_lossy(&self.unread)))
            }
            _ => Ok(()),
        }
    }

    fn hear(&mut self, message: &Message<'_>, seen: &mut Vec<Shown>) -> Result<(), String> {
        match message {
            Message::Text(text) => seen.push(Shown::Text(text.to_string().into())),
            Message::Binary(bytes) => return Err(format!("a binary frame of {} bytes came", bytes.len())),
            Message::Ping(payload) if payload.as_bytes().is_empty() => seen.push(Shown::Ping),
            Message::Ping(payload) => return Err(format!("a ping came with {:?}", payload.as_bytes())),
            Message::Pong(payload) => match self.pings.pop_front() {
                Some(ping) if ping == payload.as_bytes() => {}
                ping => return Err(format!("a pong came with {:?}, expected {ping:?}", payload.as_bytes())),
            },
            Message::Close(close) => {
                let code = close.code().map(websocket::CloseCode::get);
                self.stage = Stage::Said;
                if self.said.is_some() {
                    let echo = self.said == code;
                    return if echo { Ok(()) } else { Err(format!("our close {:?} was answered {code:?}", self.said)) };
                }
                let code = code.ok_or("a close came without a code")?;
                let reason = Reason::ALL.into_iter().find(|reason| reason.label() == close.reason());
                let reason = reason.ok_or_else(|| format!("no reason is called `{}`", close.reason()))?;
                seen.push(Shown::Close(CloseCode(code), reason));
                match self.hearing {
                    Hearing::Hears => self.say(&Message::Close(close.echo())),
                    Hearing::Deaf => self.stage = Stage::Deaf,
                }
            }
        }
        Ok(())
    }
}

/// Path and query as they are written in a request.
pub(crate) fn target(request: &Request) -> String {
    let query = request.query.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    let query = query.collect::<Vec<_>>().join("&");
    if query.is_empty() { request.path.to_string() } else { format!("{}?{query}", request.path) }
}

fn escaped(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// An HTTP answer as it was read.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// The answer at the front of `bytes`, when it is whole.
    pub(crate) fn read(bytes: &mut Vec<u8>) -> Result<Option<Self>, String> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| format!("expected a status line, got `{first}`"))?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("expected a header, got `{line}`"))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Vec<(String, String)> = lines.map(header).collect::<Result<_, String>>()?;
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(Ok(0), |(_, length)| length.parse::<usize>().map_err(|error| error.to_string()))?;
        if bytes.len() < end + 4 + length {
            return Ok(None);
        }
        let mut body: Vec<u8> = bytes.drain(..end + 4 + length).collect();
        body.drain(..end + 4);
        Ok(Some(Self { status, headers, body }))
    }

    /// What a story writes of it: everything but what HTTP adds of itself, which must be right. And whether it is the
    /// last of its connection.
    pub(crate) fn into_response(self) -> Result<(Response, bool), String> {
        let mut shown = Vec::new();
        let (mut length, mut last) = (false, false);
        for (name, value) in self.headers {
            match (name.as_str(), value.as_str()) {
                ("content-length", _) => length = true,
                ("connection", "close") => last = true,
                ("date", _) => {}
                // Few and short, and a response of the model's holds only names that live for ever.
                _ => shown.push((&*name.leak(), value)),
            }
        }
        if !length && self.status != 204 {
            return Err("an answer without a content-length".to_owned());
        }
        Ok((Response { status: self.status, headers: shown, body: self.body.into() }, last))
    }
}
