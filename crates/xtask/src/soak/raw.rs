//! A WebSocket by hand, so that it can be spoken wrongly. Blocking, with a time-out on everything.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use socket2::{Domain, Socket, Type};

/// How long anything may take that is not meant to take long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The receive buffer of a peer that does not read: what it holds back must reach the server soon.
const SMALL_BUFFER: usize = 2048;

/// The longest segment it takes: over loopback they are so long that a system lets megabytes wait for such a peer.
const SMALL_SEGMENT: u32 = 536;

/// Upgrades that were answered with 101, of all peers.
pub(crate) static UPGRADED: AtomicU64 = AtomicU64::new(0);

/// A frame of the server.
#[derive(Debug)]
#[expect(dead_code, reason = "a code is only looked at by whoever reads a failure")]
pub(crate) enum Heard {
    Text(String),
    /// A close frame, with its code.
    Close {
        code: u16,
    },
    Control,
    /// The connection is over.
    End,
    /// Nothing within the time.
    Nothing,
}

/// One connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pending: Vec<u8>,
}

impl Peer {
    /// A connection on which nothing was said.
    pub(crate) fn connect(at: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self::of(TcpStream::connect_timeout(&at, PATIENCE)?)?)
    }

    /// The same with room for hardly anything.
    pub(crate) fn connect_small(at: SocketAddr) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
        socket.set_tcp_mss(SMALL_SEGMENT)?;
        socket.connect_timeout(&at.into(), PATIENCE)?;
        Ok(Self::of(socket.into())?)
    }

    fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        Ok(Self { stream, pending: Vec::new() })
    }

    pub(crate) fn upgrade(&mut self, path: &str) -> anyhow::Result<()> {
        let request = request(path);
        self.stream.write_all(request.as_bytes())?;
        self.answered()
    }

    /// Waits for the answer to an upgrade.
    pub(crate) fn answered(&mut self) -> anyhow::Result<()> {
        let mut piece = [0; 1024];
        loop {
            if let Some(end) = self.pending.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.pending[..end]).into_owned();
                self.pending.drain(..end + 4);
                let status = head.lines().next().unwrap_or_default();
                ensure!(status.contains(" 101 "), "the upgrade was answered with {status}");
                UPGRADED.fetch_add(1, Relaxed);
                return Ok(());
            }
            match self.stream.read(&mut piece)? {
                0 => bail!("the connection ended before the upgrade was answered"),
                count => self.pending.extend_from_slice(&piece[..count]),
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(&frame(0x81, text.as_bytes()))
    }

    /// The next frame, waiting so long for it.
    pub(crate) fn hear(&mut self, wait: Duration) -> Heard {
        let until = Instant::now() + wait;
        let mut piece = [0; 4096];
        loop {
            if let Some((opcode, payload)) = self.take() {
                return match opcode {
                    1 => Heard::Text(String::from_utf8_lossy(&payload).into_owned()),
                    8 => Heard::Close {
                        code: payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]])),
                    },
                    _ => Heard::Control,
                };
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return Heard::Nothing;
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Heard::End,
                Ok(count) => self.pending.extend_from_slice(&piece[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Heard::Nothing;
                }
                Err(_) => return Heard::End,
            }
        }
    }

    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&first, &second) = (self.pending.first()?, self.pending.get(1)?);
        let (head, length) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes([*self.pending.get(2)?, *self.pending.get(3)?]))),
            127 => return None,
            short => (2, usize::from(short)),
        };
        let payload = self.pending.get(head..head + length)?.to_vec();
        self.pending.drain(..head + length);
        Some((first & 0x0f, payload))
    }

    /// Reads until the server ends the connection; true when it did within the time.
    pub(crate) fn ends_within(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            match self.hear(until.saturating_duration_since(Instant::now())) {
                Heard::End => return true,
                Heard::Nothing => return false,
                Heard::Text(_) | Heard::Close { .. } | Heard::Control => {}
            }
        }
    }

    /// Closes as one should: a close frame, the server's, the end.
    pub(crate) fn goodbye(mut self) {
        if self.stream.write_all(&frame(0x88, &1000_u16.to_be_bytes())).is_ok() {
            self.ends_within(Duration::from_secs(5));
        }
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

/// The request that opens a socket.
pub(crate) fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: soak\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A whole frame as a client sends it, masked with zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | u8::try_from(short).expect("below 126")),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The frame that logs somebody in.
pub(crate) fn login(key: &Key) -> String {
    match &key.device {
        Some(device) => {
            format!(r#"{{"type":"authenticate","device_id":"{device}","device_key":"{}"}}"#, key.secret)
        }
        None => format!(r#"{{"type":"authenticate","vendor_id":"{}","api_key":"{}"}}"#, key.subject, key.secret),
    }
}

/// Credentials of a vendor or a scanner.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) subject: String,
    pub(crate) device: Option<String>,
    pub(crate) secret: String,
}

impl Key {
    pub(crate) fn path(&self) -> &'static str {
        if self.device.is_some() { "/ws/pvs" } else { "/ws/vendor" }
    }

    /// A connection that is logged in.
    pub(crate) fn enter(&self, at: SocketAddr) -> anyhow::Result<Peer> {
        self.enter_on(Peer::connect(at)?)
    }

    /// Opens and logs in on a connection.
    pub(crate) fn enter_on(&self, mut peer: Peer) -> anyhow::Result<Peer> {
        peer.upgrade(self.path())?;
        peer.text(&login(self))?;
        loop {
            match peer.hear(PATIENCE) {
                Heard::Text(text) if text.contains("\"authenticated\"") => return Ok(peer),
                Heard::Control => {}
                other => bail!("{} expected to be logged in, got {other:?}", self.subject),
            }
        }
    }
}

/// The whole body of a plain GET.
pub(crate) fn get(at: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    ensure!(head.contains(" 200 "), "{path} was answered with {}", head.lines().next().unwrap_or_default());
    Ok(body.to_owned())
}
