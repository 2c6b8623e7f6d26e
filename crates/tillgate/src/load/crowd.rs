//! Thousands of sockets of one thread: connecting, the upgrade, frames out, words in. No runtime, so that little but the
//! server is measured.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::BytesMut;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use websocket::{Close, CloseCode, Decoder, Limits, Message, Role, encode};

use super::dialect::Dialect;
use super::plan::Key;
use super::words::Word;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;
/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// The longest response to an upgrade.
const RESPONSE_BYTES: usize = 16 * 1024;
/// The longest message from a server.
const MESSAGE_BYTES: usize = 1024 * 1024;
/// The receive buffer of a peer that does not read.
const SLOW_BYTES: usize = 4096;

/// RFC 6455's own example: a nonce and what a server must make of it.
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How a socket treats what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ears {
    Open,
    /// From the upgrade on nothing is read.
    Shut,
}

struct Socket {
    stream: TcpStream,
    stage: Stage,
    /// What the kernel has not taken yet.
    out: Vec<u8>,
    decoder: Decoder,
    flags: EventFlags,
    ears: Ears,
    dirty: bool,
}

enum Stage {
    Connecting,
    Upgrading(Vec<u8>),
    Open,
}

/// All sockets of this process, by seat.
pub(super) struct Crowd {
    epoll: OwnedFd,
    dialect: Dialect,
    server: SocketAddr,
    host: String,
    /// Addresses to connect from, taken in turn; none when the server is not on this machine.
    sources: Vec<Ipv4Addr>,
    next_source: usize,
    sockets: Vec<Option<Box<Socket>>>,
    open: usize,
    dirty: Vec<usize>,
    events: Vec<epoll::Event>,
    buffer: Box<[u8]>,
}

impl Crowd {
    /// Nobody yet. `sources` is from where to connect when the server is on this machine.
    pub(super) fn new(dialect: Dialect, server: SocketAddr, host: String, sources: Vec<Ipv4Addr>) -> io::Result<Self> {
        let local = matches!(server.ip(), IpAddr::V4(address) if address.is_loopback());
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            dialect,
            server,
            host,
            sources: if local { sources } else { Vec::new() },
            next_source: 0,
            sockets: Vec::new(),
            open: 0,
            dirty: Vec::new(),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        })
    }

    /// Begins a connection in that seat, at the door of that key; the upgrade follows by itself.
    pub(super) fn connect(&mut self, seat: usize, key: &Key, ears: Ears) -> io::Result<()> {
        let socket = RawSocket::new(Domain::for_address(self.server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if ears == Ears::Shut {
            socket.set_recv_buffer_size(SLOW_BYTES)?;
        }
        if !self.sources.is_empty() {
            let source = self.sources[self.next_source % self.sources.len()];
            self.next_source += 1;
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&self.server.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let (path, headers) = self.dialect.door(key);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\n{headers}\r\n",
            self.host
        );
        let stream = TcpStream::from(socket);
        let flags = EventFlags::IN | EventFlags::OUT;
        epoll::add(&self.epoll, &stream, EventData::new_u64(seat as u64), flags)?;
        let decoder = Decoder::new(Role::Client, Limits::of(MESSAGE_BYTES));
        let out = request.into_bytes();
        let socket = Socket { stream, stage: Stage::Connecting, out, decoder, flags, ears, dirty: false };
        if self.sockets.len() <= seat {
            self.sockets.resize_with(seat + 1, || None);
        }
        if self.sockets[seat].replace(Box::new(socket)).is_none() {
            self.open += 1;
        }
        Ok(())
    }

    /// How many sockets there are.
    pub(super) const fn len(&self) -> usize {
        self.open
    }

    pub(super) fn has(&self, seat: usize) -> bool {
        self.sockets.get(seat).is_some_and(Option::is_some)
    }

    /// Bytes of that seat the kernel has not taken.
    pub(super) fn waiting(&self, seat: usize) -> usize {
        self.sockets.get(seat).and_then(Option::as_ref).map_or(0, |socket| socket.out.len())
    }

    /// Sends bytes with the next [`Crowd::poll`]: all of a seat in one write.
    pub(super) fn send(&mut self, seat: usize, bytes: &[u8]) {
        let Some(socket) = self.sockets.get_mut(seat).and_then(Option::as_mut) else { return };
        socket.out.extend_from_slice(bytes);
        if !socket.dirty && matches!(socket.stage, Stage::Open) {
            socket.dirty = true;
            self.dirty.push(seat);
        }
    }

    /// Says goodbye; the server ends the connection, which is heard as lost.
    pub(super) fn leave(&mut self, seat: usize) {
        let mut bytes = BytesMut::new();
        encode(&Message::Close(Close::code_only(CloseCode::NORMAL)), Role::Client, 1, &mut bytes);
        self.send(seat, &bytes);
    }

    /// Cuts the connection as a pulled cable would, but so that the server learns of it at once.
    pub(super) fn cut(&mut self, seat: usize) {
        let Some(socket) = self.sockets.get_mut(seat).and_then(Option::take) else { return };
        self.open -= 1;
        let socket = RawSocket::from(socket.stream);
        let _ = socket.set_linger(Some(Duration::ZERO));
    }

    /// Writes what is to be sent, then waits so long for something to happen, and says what was heard.
    pub(super) fn poll(&mut self, wait: Duration, heard: &mut Vec<(usize, Word)>) -> io::Result<()> {
        for seat in std::mem::take(&mut self.dirty) {
            if let Some(socket) = self.sockets.get_mut(seat).and_then(Option::as_mut) {
                socket.dirty = false;
                if socket.write(&self.epoll, seat).is_err() {
                    self.lose(seat, heard);
                }
            }
        }
        let wait = if heard.is_empty() { wait } else { Duration::ZERO };
        let timeout = Timespec::try_from(wait).unwrap_or_default();
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let seat = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            let Some(socket) = self.sockets.get_mut(seat).and_then(Option::as_mut) else { continue };
            let alive = socket.serve(&self.epoll, self.dialect, seat, event.flags, &mut self.buffer, heard);
            if !alive {
                self.lose(seat, heard);
            }
        }
        self.events = events;
        Ok(())
    }

    fn lose(&mut self, seat: usize, heard: &mut Vec<(usize, Word)>) {
        if self.sockets.get_mut(seat).and_then(Option::take).is_some() {
            self.open -= 1;
            heard.push((seat, Word::Lost));
        }
    }
}

impl Socket {
    /// Does what the kernel says can be done; false when the connection is over.
    fn serve(
        &mut self,
        epoll: &OwnedFd,
        dialect: Dialect,
        seat: usize,
        happened: EventFlags,
        buffer: &mut [u8],
        heard: &mut Vec<(usize, Word)>,
    ) -> bool {
        if let Stage::Connecting = self.stage {
            if !matches!(self.stream.take_error(), Ok(None)) {
                return false;
            }
            if !happened.contains(EventFlags::OUT) {
                return !happened.intersects(EventFlags::ERR | EventFlags::HUP);
            }
            self.stage = Stage::Upgrading(Vec::new());
        }
        if happened.contains(EventFlags::OUT) && self.write(epoll, seat).is_err() {
            return false;
        }
        if !happened.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return true;
        }
        let count = match self.stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        let mut input = &mut buffer[..count];
        if let Stage::Upgrading(response) = &mut self.stage {
            let before = response.len();
            response.extend_from_slice(input);
            let Some(end) = response.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
                return response.len() <= RESPONSE_BYTES;
            };
            let status = std::str::from_utf8(&response[..end]).ok().map_or(0, status_of);
            if status != 101 {
                heard.push((seat, Word::NotOpened(status)));
                return false;
            }
            input = &mut input[end - before..];
            self.stage = Stage::Open;
            heard.push((seat, Word::Opened));
            if self.ears == Ears::Shut && self.change(epoll, seat, EventFlags::empty()).is_err() {
                return false;
            }
        }
        loop {
            let word = match self.decoder.decode(&mut input) {
                Ok(Some(Message::Text(text))) => dialect.word(&text),
                Ok(Some(Message::Close(close))) => Word::Closed(close.code().map_or(0, CloseCode::get)),
                Ok(Some(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Word::Other,
                Ok(None) => return true,
                Err(_) => return false,
            };
            heard.push((seat, word));
        }
    }

    /// Writes what the kernel takes, and is woken for the rest.
    fn write(&mut self, epoll: &OwnedFd, seat: usize) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) if count == self.out.len() => self.out.clear(),
                Ok(count) => {
                    self.out.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.out.is_empty() && self.out.capacity() > READ_BYTES {
            self.out = Vec::new();
        }
        let reading = self.ears == Ears::Open || !matches!(self.stage, Stage::Open);
        let mut flags = if reading { EventFlags::IN } else { EventFlags::empty() };
        flags.set(EventFlags::OUT, !self.out.is_empty());
        if flags != self.flags { self.change(epoll, seat, flags) } else { Ok(()) }
    }

    fn change(&mut self, epoll: &OwnedFd, seat: usize, flags: EventFlags) -> io::Result<()> {
        self.flags = flags;
        Ok(epoll::modify(epoll, &self.stream, EventData::new_u64(seat as u64), flags)?)
    }
}

/// The status of a response; 0 when it is no proper answer to our request.
fn status_of(head: &str) -> u16 {
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    match status {
        Some(101) if !head.contains(ACCEPT) => 0,
        Some(status) => status,
        None => 0,
    }
}

/// Addresses of this machine to connect from: so many, and none that another process of the run has.
pub(super) fn sources(process: u8, many: u8) -> Vec<Ipv4Addr> {
    (1..=many).map(|number| Ipv4Addr::new(127, 1, process, number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proper_answer_opens() {
        assert_eq!(status_of(&format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {ACCEPT}\r\n")), 101);
        assert_eq!(status_of("HTTP/1.1 101 Switching Protocols\r\n\r\n"), 0);
        assert_eq!(status_of("HTTP/1.1 503 Service Unavailable\r\n\r\n"), 503);
        assert_eq!(status_of("SSH-2.0"), 0);
    }
}
