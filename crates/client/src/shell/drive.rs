//! The loop around a machine: bytes, commands and time in; frames, dials and events out. It decides nothing.

use std::pin::Pin;

use bytes::BytesMut;
use model::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};
use websocket::{Accepts, Close, CloseCode, Connection, Limits, Message, Role};

use super::clock::Clock;
use super::dial::Stream;
use super::endpoint::Open;
use super::listener::Listener;
use super::random::Masks;
use super::upgrade::{Upgraded, upgrade};
use crate::link::Lost;
use crate::machine::{Input, Machine, Output};
use crate::tap::Direction;

/// How many bytes are read at once.
const READ_BYTES: usize = 16 * 1024;

/// While so many bytes wait to be written, nothing more is read and no command is taken.
const WRITE_HIGH_BYTES: usize = 64 * 1024;

/// How long a connection that is over may take to carry our last frame and to hear the server's end.
const PARTING: std::time::Duration = std::time::Duration::from_secs(2);

/// Everything that can wake the loop, in order of importance.
enum Woke<C> {
    /// The application wants out.
    Shutdown,
    /// The machine's deadline has come.
    Deadline,
    /// The attempt has come to something.
    Dialed(Result<Upgraded, Lost>),
    /// Some of what waited to be written went out.
    Wrote(std::io::Result<()>),
    /// The server said something.
    Read(std::io::Result<usize>),
    /// The application wants something; none when it never will again.
    Command(Option<C>),
}

/// What carries the frames now.
enum Line {
    Down,
    Dialing(Pin<Box<dyn Future<Output = Result<Upgraded, Lost>> + Send>>),
    Up(Box<Up>),
}

struct Up {
    read: ReadHalf<Box<dyn Stream>>,
    write: Writer,
    connection: Connection,
}

struct Writer {
    half: WriteHalf<Box<dyn Stream>>,
    waiting: BytesMut,
    state: Writing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Idle,
    /// Written, and still to be pushed through whatever is below.
    Unflushed,
    /// Nothing goes out any more. The reading side tells how it ended.
    Broken,
}

/// A machine at work.
pub(crate) struct Driver<M: Machine, L> {
    machine: M,
    clock: Clock,
    open: Open,
    line: Line,
    /// The connection before this one, taking its leave.
    parting: Option<JoinHandle<()>>,
    masks: Masks,
    listener: L,
}

impl<M: Machine, L: Listener<M::Event>> Driver<M, L> {
    pub(crate) fn new(machine: M, clock: Clock, open: Open, listener: L) -> Self {
        Self { machine, clock, open, line: Line::Down, parting: None, masks: Masks::default(), listener }
    }

    /// Runs until the machine is over. When `shutdown` resolves, the machine is told to say goodbye.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<M::Command>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = Some(Box::pin(shutdown));
        let mut commands_open = true;
        let mut buffer = vec![0; READ_BYTES];
        while !self.machine.is_over() {
            let woke = self.wait(&mut commands, &mut commands_open, &mut shutdown, &mut buffer).await;
            match woke {
                Woke::Shutdown => {
                    shutdown = None;
                    self.tell(Input::Close);
                }
                Woke::Deadline => self.tell(Input::Wake),
                Woke::Dialed(Ok(upgraded)) => {
                    let mut said = self.up(upgraded);
                    self.tell(Input::Opened);
                    self.read(&mut said);
                }
                Woke::Dialed(Err(lost)) => {
                    self.line = Line::Down;
                    self.tell(Input::Lost(lost));
                }
                Woke::Wrote(result) => self.wrote(&result),
                Woke::Read(Ok(0)) => self.lose(Lost::Broken("it ended without a close frame".to_owned())),
                Woke::Read(Ok(bytes)) => self.read(&mut buffer[..bytes]),
                Woke::Read(Err(error)) => self.lose(Lost::Broken(error.to_string())),
                Woke::Command(Some(command)) => self.tell(Input::Command(command)),
                Woke::Command(None) => commands_open = false,
            }
        }
        // What was asked in the meantime is answered too: always with a failure.
        commands.close();
        while let Some(command) = commands.recv().await {
            self.tell(Input::Command(command));
        }
        self.listener.ready().await;
        // Our last frame may still be on its way, and the runtime may go away with us.
        if let Some(parting) = self.parting.take() {
            let _ = parting.await;
        }
    }

    async fn wait<F: Future<Output = ()>>(
        &mut self,
        commands: &mut mpsc::Receiver<M::Command>,
        commands_open: &mut bool,
        shutdown: &mut Option<Pin<Box<F>>>,
        buffer: &mut [u8],
    ) -> Woke<M::Command> {
        let deadline = self.machine.deadline();
        if deadline.is_some_and(|deadline| self.clock.now() >= deadline) {
            return Woke::Deadline;
        }
        let Self { line, listener, clock, .. } = self;
        let (dialing, read, write) = match line {
            Line::Down => (None, None, None),
            Line::Dialing(dialing) => (Some(dialing), None, None),
            Line::Up(up) => (None, Some(&mut up.read), Some(&mut up.write)),
        };
        let room = write.as_ref().is_none_or(|write| write.waiting.len() < WRITE_HIGH_BYTES);
        // Not biased: neither a server nor an application that never stops may starve the other.
        tokio::select! {
            () = present(shutdown.as_mut()) => Woke::Shutdown,
            () = until(*clock, deadline) => Woke::Deadline,
            result = present(dialing) => Woke::Dialed(result),
            result = write_some(write) => Woke::Wrote(result),
            result = read_some(read, listener, buffer), if room => Woke::Read(result),
            command = commands.recv(), if room && *commands_open => Woke::Command(command),
        }
    }

    /// Tells the machine one thing and does what it wants, in order.
    fn tell(&mut self, input: Input<'_, M::Command>) {
        let mut out = Vec::new();
        self.machine.handle(self.clock.now(), input, &mut out);
        for output in out {
            match output {
                Output::Connect => {
                    let Open { target, dial, headers, .. } = &self.open;
                    let (dialing, target, headers) = (dial.dial(target), target.clone(), headers.clone());
                    let upgraded = async move { upgrade(dialing.await?, &target, &headers).await };
                    self.line = Line::Dialing(Box::pin(upgraded));
                }
                Output::Send(text) => {
                    if let Some(tap) = &self.open.tap {
                        tap.see(Direction::Sent, text.reveal());
                    }
                    self.send(&Message::text(text.reveal()));
                }
                Output::Close(code) => {
                    let code = CloseCode::new(code.0).unwrap_or(CloseCode::NORMAL);
                    self.send(&Message::Close(Close::code_only(code)));
                }
                Output::Cut => self.line = Line::Down,
                Output::Event(event) => self.listener.tell(event),
            }
        }
    }

    /// The upgrade is done. Gives what the server said with it.
    fn up(&mut self, upgraded: Upgraded) -> BytesMut {
        let (read, half) = tokio::io::split(upgraded.stream);
        let mut connection = Connection::new(Role::Client, Limits::of(self.open.message_bytes));
        if !self.machine.repeats_binary() {
            connection.set_accepts(Accepts::TextOnly);
        }
        let write = Writer { half, waiting: BytesMut::new(), state: Writing::Idle };
        self.line = Line::Up(Box::new(Up { read, write, connection }));
        upgraded.leftover
    }

    fn send(&mut self, message: &Message<'_>) {
        let Line::Up(up) = &mut self.line else { return };
        match self.masks.next() {
            // A connection that is closing takes nothing more; the machine hears of its end soon.
            Ok(key) => drop(up.connection.send(message, key, &mut up.write.waiting)),
            Err(_) => up.write.state = Writing::Broken,
        }
    }

    /// Takes bytes apart into frames, and tells the machine those that concern it.
    fn read(&mut self, mut bytes: &mut [u8]) {
        loop {
            let Line::Up(up) = &mut self.line else { return };
            let message = match up.connection.receive(&mut bytes) {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(error) => {
                    self.send(&Message::Close(error.close()));
                    return self.lose(Lost::Protocol(error));
                }
            };
            if let Some(answer) = message.answer() {
                self.send(&answer);
            }
            match message {
                Message::Text(text) => {
                    if let Some(tap) = &self.open.tap {
                        tap.see(Direction::Received, &text);
                    }
                    self.tell(Input::Text(&text));
                }
                Message::Close(close) => {
                    let code = close.code().map(CloseCode::get);
                    return self.lose(Lost::Closed { code, reason: close.reason().to_owned() });
                }
                // Otherwise the codec refuses it.
                Message::Binary(_) => self.send(&message),
                // Pings are answered, and pongs prove nothing about the server.
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    fn wrote(&mut self, result: &std::io::Result<()>) {
        let Line::Up(up) = &mut self.line else { return };
        if result.is_err() {
            up.write.waiting.clear();
            up.write.state = Writing::Broken;
        }
    }

    /// The connection is over: lets go of it, and tells the machine.
    fn lose(&mut self, lost: Lost) {
        if let Line::Up(up) = std::mem::replace(&mut self.line, Line::Down) {
            self.parting = Some(tokio::spawn(part(up)));
        }
        self.tell(Input::Lost(lost));
    }
}

/// Carries the last frame out, for a server that still reads, and reads to the server's end: a socket that is dropped
/// with bytes unread is reset, and the reset may overtake the frame.
async fn part(mut up: Box<Up>) {
    let Up { read, write: Writer { half, waiting, state }, .. } = &mut *up;
    let last = async {
        if *state != Writing::Broken {
            half.write_all(waiting).await?;
            half.shutdown().await?;
        }
        tokio::io::copy(read, &mut tokio::io::sink()).await
    };
    // Whether it arrived makes no difference to anybody.
    let _ = timeout(PARTING, last).await;
}

async fn present<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn until(clock: Clock, deadline: Option<Timestamp>) {
    match deadline {
        Some(deadline) => sleep_until(clock.instant(deadline)).await,
        None => std::future::pending().await,
    }
}

async fn read_some<E>(
    read: Option<&mut ReadHalf<Box<dyn Stream>>>,
    listener: &mut impl Listener<E>,
    buffer: &mut [u8],
) -> std::io::Result<usize> {
    listener.ready().await;
    match read {
        Some(read) => read.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Writes or flushes once. Dropped half-way, nothing is lost and nothing is written twice.
async fn write_some(write: Option<&mut Writer>) -> std::io::Result<()> {
    let Some(Writer { half, waiting, state }) = write else { return std::future::pending().await };
    match (*state, waiting.is_empty()) {
        (Writing::Broken, _) | (Writing::Idle, true) => std::future::pending().await,
        (Writing::Idle | Writing::Unflushed, false) => {
            if half.write_buf(waiting).await? == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            *state = Writing::Unflushed;
            // Nothing large is kept for a connection that mostly rests.
            if waiting.is_empty() && waiting.capacity() > READ_BYTES {
                *waiting = BytesMut::new();
            }
        }
        (Writing::Unflushed, true) => {
            half.flush().await?;
            *state = Writing::Idle;
        }
    }
    Ok(())
}
