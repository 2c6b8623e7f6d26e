//! One socket of the bare loop: the upgrade, frames in, frames out. It trusts the other side.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::event::epoll::{self, EventData, EventFlags};
use serde::Deserialize;
use sha1::{Digest, Sha1};

/// Which end of an operation somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Requester,
    Performer,
}

pub(crate) struct Peer {
    stream: TcpStream,
    upgraded: bool,
    /// Who it is, once it has logged in, and the number of its group.
    pub(crate) inside: Option<(Role, u32)>,
    /// The beginning of what has not come whole.
    part: Vec<u8>,
    /// What the kernel has not taken yet.
    out: Vec<u8>,
}

impl Peer {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, upgraded: false, inside: None, part: Vec::new(), out: Vec::new() }
    }

    /// Reads once and hands every whole text on; false when the connection is over.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        own: &mut Vec<u8>,
        mut hear: impl FnMut(&mut Self, &str, &mut Vec<u8>),
    ) -> bool {
        let count = match self.stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let mut kept = std::mem::take(&mut self.part);
        let mut bytes: &mut [u8] = if kept.is_empty() {
            &mut buffer[..count]
        } else {
            kept.extend_from_slice(&buffer[..count]);
            &mut kept
        };
        if !self.upgraded {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                self.part = bytes.to_vec();
                return true;
            };
            let Some(key) = std::str::from_utf8(&bytes[..end]).ok().and_then(key_of) else { return false };
            let accept = STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
            own.extend_from_slice(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                     sec-websocket-accept: {accept}\r\n\r\n"
                )
                .as_bytes(),
            );
            self.upgraded = true;
            bytes = &mut bytes[end + 4..];
        }
        while let Some((opcode, size, start)) = header(bytes) {
            if bytes.len() < start + size {
                break;
            }
            let (frame, rest) = bytes.split_at_mut(start + size);
            let (head, payload) = frame.split_at_mut(start);
            let key = [head[start - 4], head[start - 3], head[start - 2], head[start - 1]];
            let key = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
            let (eights, tail) = payload.as_chunks_mut::<8>();
            eights.iter_mut().for_each(|eight| *eight = (u64::from_ne_bytes(*eight) ^ key).to_ne_bytes());
            tail.iter_mut().zip(key.to_ne_bytes()).for_each(|(byte, mask)| *byte ^= mask);
            match (opcode, std::str::from_utf8(payload)) {
                (1, Ok(text)) => hear(self, text, own),
                _ => {
                    own.extend_from_slice(b"\x88\x02\x03\xe8");
                    let _ = self.stream.write(own);
                    return false;
                }
            }
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.part = bytes.to_vec();
        }
        true
    }

    /// Writes what is waiting and these bytes; what the kernel does not take waits.
    pub(crate) fn write(&mut self, poll: &OwnedFd, index: usize, bytes: &[u8]) -> io::Result<()> {
        if !self.out.is_empty() {
            self.out.extend_from_slice(bytes);
        }
        let blocked = !self.out.is_empty();
        let waiting = if blocked { &self.out[..] } else { bytes };
        let mut sent = 0;
        while sent < waiting.len() {
            match self.stream.write(&waiting[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let left = waiting[sent..].to_vec();
        if left.is_empty() != !blocked {
            let out = if left.is_empty() { EventFlags::empty() } else { EventFlags::OUT };
            epoll::modify(poll, &self.stream, EventData::new_u64(index as u64), EventFlags::IN | out)?;
        }
        self.out = left;
        Ok(())
    }
}

/// Opcode, size of the payload, where it starts; none while the header is not whole. Clients' frames are masked.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (size, length_bytes) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)), 2),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk::<8>()?)).ok()?, 8),
        short => (usize::from(short), 0),
    };
    let start = 2 + length_bytes + 4;
    (bytes.len() >= start).then_some((first & 0x0f, size, start))
}

fn key_of(head: &str) -> Option<&str> {
    let header = |line: &&str| line.to_ascii_lowercase().starts_with("sec-websocket-key:");
    head.lines().find(header).and_then(|line| line.split_once(':')).map(|(_, key)| key.trim())
}

/// Appends a text frame.
pub(crate) fn frame(text: &str, out: &mut Vec<u8>) {
    out.push(0x81);
    match text.len() {
        size @ 0..126 => out.push(size as u8),
        size => {
            out.push(126);
            out.extend_from_slice(&(size as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}
