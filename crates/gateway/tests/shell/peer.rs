//! The other side, byte by byte: plain sockets, so that everything wrong can be sent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use websocket::{Limits, Message, Role};

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The request that is right in every way.
pub(crate) fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: gate\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// A client's frame, masked.
pub(crate) fn frame(message: &Message<'_>) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    websocket::encode(message, Role::Client, 0x1234_5678, &mut out);
    out.to_vec()
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(&Message::text(text))
}

/// A response's status, head and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A socket to the gateway.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    codec: websocket::Connection,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream, unread: Vec::new(), codec: websocket::Connection::new(Role::Client, Limits::of(1 << 24)) }
    }

    /// A socket whose upgrade is done.
    pub(crate) fn open(address: SocketAddr, path: &str) -> Self {
        let mut peer = Self::connect(address);
        peer.send(request(path).as_bytes());
        let answer = peer.answer();
        assert_eq!(answer.status, 101, "{answer:?}");
        peer
    }

    /// The same socket, for another thread to write to.
    pub(crate) fn clone_for_writing(&self) -> Self {
        Self {
            stream: self.stream.try_clone().unwrap(),
            unread: Vec::new(),
            codec: websocket::Connection::new(Role::Client, Limits::of(0)),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends what may meet a closed door.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn say(&mut self, words: &str) {
        self.send(&text(words));
    }

    pub(crate) fn end_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        self.unread.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// The next HTTP response, with the body its length names.
    pub(crate) fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.fill(), "no response, only {:?}", String::from_utf8_lossy(&self.unread));
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.fill(), "the body was cut");
        }
        answer.body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        answer
    }

    /// What comes as an answer that goes on, up to some words.
    pub(crate) fn hear_until(&mut self, words: &str) -> String {
        loop {
            let heard = String::from_utf8_lossy(&self.unread).into_owned();
            if let Some(at) = heard.find(words) {
                self.unread.drain(..at + words.len());
                return heard[..at + words.len()].to_owned();
            }
            assert!(self.fill(), "never said {words:?}, only {heard:?}");
        }
    }

    /// The next message; none when the stream has ended.
    pub(crate) fn message(&mut self) -> Option<Message<'static>> {
        loop {
            let came = self.unread.len();
            let mut input = &mut self.unread[..];
            let message = self.codec.receive(&mut input).unwrap().map(Message::into_owned);
            let left = input.len();
            self.unread.drain(..came - left);
            if message.is_some() {
                return message;
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// The next message, which is a text.
    pub(crate) fn hear(&mut self) -> String {
        match self.message() {
            Some(Message::Text(text)) => text.into_owned(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// The next message, which is a close: its code and text.
    pub(crate) fn hear_close(&mut self) -> (u16, String) {
        match self.message() {
            Some(Message::Close(close)) => {
                (close.code().map_or(0, websocket::CloseCode::get), close.reason().to_owned())
            }
            other => panic!("expected a close, got {other:?}"),
        }
    }

    /// Reads to the end of the stream; true when it ended properly and nothing came before.
    pub(crate) fn hear_end(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok() && rest.is_empty() && self.unread.is_empty()
    }
}
