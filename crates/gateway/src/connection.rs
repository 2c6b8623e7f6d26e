//! One WebSocket: a future that reads, lets the machine answer, and writes, with no buffer of its own while idle.
//!
//! ```text
//!  Open ── the machine orders a close, or the codec refuses ──▶ Closing ── peer's close, end or time ──▶ Leaving ──▶ over
//!   └───────────── the peer closes, or is lost ───────────────────────────────────────────────────────────┘
//! ```
//!
//! The machine hears [`Gone`](node::Input::Gone) exactly once, on the way into `Leaving`; there what is queued is still
//! written, our half of the socket is shut, and what the peer had on its way is read and thrown away, so that the
//! close frame is not lost to a reset.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use model::{CloseCode, Frame, Now, Reason, Route};
use node::{Ending, Input};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websocket::{Close, Error, Limits, Message, Role};

use crate::clock::Sleep;
use crate::core::Core;
use crate::http::Opened;
use crate::queue::PIECES;
use crate::slot::Slot;

/// One upgraded connection.
pub(crate) struct Connection<S> {
    io: S,
    core: Rc<Core>,
    slot: Rc<RefCell<Slot>>,
    route: Route,
    codec: websocket::Connection,
    /// Bytes that came and could not be worked on yet. Empty while idle.
    leftover: Vec<u8>,
    phase: Phase,
    /// What the phase may wait for at most; none while nothing is late.
    timer: Option<Sleep>,
    /// The socket takes nothing more.
    mute: bool,
    /// The stream has taken bytes that it has not passed on, as TLS does when the socket is full.
    held_back: bool,
}

enum Phase {
    /// Frames go both ways. The timer runs while the peer takes nothing of what waits for it.
    Open,
    /// Our close is queued; the peer's is awaited.
    Closing { reason: Reason },
    /// The machine has been told; the socket comes to its end.
    Leaving { shut: bool, ended: bool },
}

/// What to do after a step.
enum Step {
    Again,
    /// There is more to read, after the others.
    Later,
    Wait,
    Over,
}

/// What came of reading.
enum Read {
    Some,
    /// As much as is taken at once.
    Much,
    /// Nothing now; the reader will be woken.
    Nothing,
    /// Nothing ever again.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(core: Rc<Core>, opened: Opened<S>) -> Self {
        let slot = opened.opening.taken();
        let route = slot.borrow().route;
        let first = core.settings().message_first;
        Self {
            io: opened.io,
            route,
            codec: websocket::Connection::new(Role::Server, Limits::of(first)),
            // A copy, and none when there is nothing: hyper's buffer goes.
            leftover: opened.leftover.to_vec(),
            phase: Phase::Open,
            timer: None,
            mute: false,
            held_back: false,
            slot,
            core,
        }
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut later = false;
        loop {
            self.obey();
            let moved = self.flush(context);
            if self.is_late(context, moved) {
                match self.phase {
                    Phase::Open => self.fault(Reason::Slow),
                    Phase::Closing { reason } => self.gone(Ending { reason, completed: false }),
                    Phase::Leaving { .. } => return Poll::Ready(()),
                }
                continue;
            }
            if later {
                self.slot.borrow_mut().park(context);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let step = match self.phase {
                Phase::Open => self.open(context),
                Phase::Closing { reason } => self.closing(context, reason),
                Phase::Leaving { shut, ended } => self.leaving(context, shut, ended),
            };
            match step {
                Step::Again => {}
                Step::Later => later = true,
                Step::Over => return Poll::Ready(()),
                Step::Wait => {
                    self.slot.borrow_mut().park(context);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes over what the machine has ordered through the slot.
    fn obey(&mut self) {
        let mut slot = self.slot.borrow_mut();
        if let Some(limit) = slot.limit.take() {
            self.codec.set_limits(Limits::of(limit));
        }
        let (Phase::Open, Some((code, reason))) = (&self.phase, slot.close) else { return };
        let close = close_frame(code, reason);
        let codec = &mut self.codec;
        slot.queue.append(&mut self.core.spares.borrow_mut(), |out| codec.close(close, 0, out));
        drop(slot);
        self.phase = Phase::Closing { reason };
        self.await_peer();
    }

    /// Gives the peer its time from here on.
    fn await_peer(&mut self) {
        let until = self.core.now().at.after(self.core.settings().close_wait);
        self.timer = Some(self.core.clock().until(until));
    }

    /// Writes what the socket takes; whether it took anything.
    fn flush(&mut self, context: &mut Context<'_>) -> bool {
        let mut slot = self.slot.borrow_mut();
        let queue = &mut slot.queue;
        let mut moved = false;
        while !queue.is_empty() {
            if self.mute {
                queue.clear();
                break;
            }
            let io = Pin::new(&mut self.io);
            let written = match queue.only() {
                Some(bytes) => io.poll_write(context, bytes),
                None => {
                    let mut pieces = [IoSlice::new(&[]); PIECES];
                    let count = queue.pieces(&mut pieces);
                    io.poll_write_vectored(context, &pieces[..count])
                }
            };
            match written {
                Poll::Pending => return moved,
                Poll::Ready(Ok(count)) if count > 0 => {
                    moved = true;
                    self.core.counters().bytes_out.add(count as u64);
                    queue.advance(count, &mut self.core.spares.borrow_mut());
                }
                // What the peer sent before may still lie in the socket: reading goes on to its end.
                Poll::Ready(Ok(_) | Err(_)) => self.mute = true,
            }
        }
        if (moved || self.held_back) && !self.mute {
            let flushed = Pin::new(&mut self.io).poll_flush(context);
            moved |= self.held_back && flushed.is_ready();
            self.held_back = flushed.is_pending();
            self.mute = matches!(flushed, Poll::Ready(Err(_)));
        }
        self.held_back &= !self.mute;
        moved
    }

    /// Whether the time of this phase is over. In `Open` it runs only while something waits and nothing is taken.
    fn is_late(&mut self, context: &mut Context<'_>, moved: bool) -> bool {
        if let Phase::Open = self.phase {
            if self.slot.borrow().queue.is_empty() && !self.held_back {
                self.timer = None;
            } else if moved || self.timer.is_none() {
                let until = self.core.now().at.after(self.core.settings().slow_time);
                self.timer = Some(self.core.clock().until(until));
            }
        }
        self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready())
    }

    fn open(&mut self, context: &mut Context<'_>) -> Step {
        let settings = self.core.settings();
        {
            let mut slot = self.slot.borrow_mut();
            if slot.queue.backlog() > settings.answers_most && tokio::task::coop::has_budget_remaining() {
                drop(slot);
                self.fault(Reason::Slow);
                return Step::Again;
            }
            if slot.queue.has_dropped() && slot.queue.telemetry_len() <= settings.telemetry_low() {
                let count = slot.queue.take_dropped();
                drop(slot);
                self.core.counters().dropped.add(u64::from(count));
                self.core.turn(Input::Dropped { route: self.route, count });
                self.core.turn(Input::Room { route: self.route });
                return Step::Again;
            }
            if slot.queue.answers_len() > settings.answers_high() || (slot.paused && !self.mute) {
                return Step::Wait;
            }
        }
        match self.receive(context, Self::work) {
            Read::Nothing => Step::Wait,
            Read::Some => Step::Again,
            Read::Much => Step::Later,
            Read::End => {
                self.gone(Ending { reason: Reason::PeerLost, completed: false });
                self.phase = Phase::Leaving { shut: false, ended: true };
                Step::Again
            }
        }
    }

    fn closing(&mut self, context: &mut Context<'_>, reason: Reason) -> Step {
        if self.codec.is_over() && self.slot.borrow().queue.is_empty() {
            self.gone(Ending { reason, completed: self.codec.peer_completed_our_close() });
            return Step::Again;
        }
        match self.receive(context, Self::skim) {
            Read::Nothing => Step::Wait,
            Read::Some => Step::Again,
            Read::Much => Step::Later,
            Read::End => {
                self.gone(Ending { reason, completed: self.codec.peer_completed_our_close() });
                self.phase = Phase::Leaving { shut: false, ended: true };
                Step::Again
            }
        }
    }

    fn leaving(&mut self, context: &mut Context<'_>, mut shut: bool, ended: bool) -> Step {
        if !shut && self.slot.borrow().queue.is_empty() {
            shut = Pin::new(&mut self.io).poll_shutdown(context).is_ready();
            self.phase = Phase::Leaving { shut, ended };
        }
        if ended {
            return if shut { Step::Over } else { Step::Wait };
        }
        match self.receive(context, |_, _| None) {
            Read::Nothing => Step::Wait,
            Read::Some => Step::Again,
            Read::Much => Step::Later,
            Read::End => {
                self.phase = Phase::Leaving { shut, ended: true };
                Step::Again
            }
        }
    }

    /// Reads once, what was left over first, and lets `work` have it; what `work` gives back is left over.
    fn receive(&mut self, context: &mut Context<'_>, work: impl FnOnce(&mut Self, &mut [u8]) -> Option<usize>) -> Read {
        if !self.leftover.is_empty() {
            let mut bytes = std::mem::take(&mut self.leftover);
            if let Some(left) = work(self, &mut bytes) {
                bytes.drain(..bytes.len() - left);
                self.leftover = bytes;
            }
            return Read::Some;
        }
        let core = Rc::clone(&self.core);
        let mut buffer = core.read_buffer.borrow_mut();
        let count = match read(&mut self.io, context, &mut buffer) {
            Poll::Pending => return Read::Nothing,
            Poll::Ready(Ok(0) | Err(_)) => return Read::End,
            Poll::Ready(Ok(count)) => count,
        };
        core.counters().bytes_in.add(count as u64);
        if let Some(left) = work(self, &mut buffer[..count]) {
            self.leftover = buffer[count - left..count].to_vec();
        }
        if count == buffer.len() { Read::Much } else { Read::Some }
    }

    /// Hands frames to the machine until there are no more, or none are wanted; how many bytes are left then.
    ///
    /// They came together: for the machine it is one moment, and what they leave for others leaves at the end.
    fn work(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let left = self.work_at(self.core.now(), bytes);
        self.core.settle();
        left
    }

    fn work_at(&mut self, now: Now, bytes: &mut [u8]) -> Option<usize> {
        let mut input = bytes;
        loop {
            let message = match self.codec.receive(&mut input) {
                Ok(Some(message)) => message,
                Ok(None) => return None,
                Err(error) => {
                    tracing::debug!(slot = self.route.slot, error = error.name(), "framing failed");
                    self.fault(reason_of(error));
                    return None;
                }
            };
            self.core.counters().frames_in.add(1);
            let route = self.route;
            match &message {
                Message::Text(text) => self.core.step(now, Input::Frame { route, frame: Frame::Text(text) }),
                Message::Binary(_) if self.core.repeats_binary() => self.repeat(&message),
                Message::Binary(bytes) => self.core.step(now, Input::Frame { route, frame: Frame::Binary(bytes) }),
                Message::Ping(_) => {
                    self.answer(&message);
                    self.core.step(now, Input::Frame { route, frame: Frame::Ping });
                }
                Message::Pong(_) => self.core.step(now, Input::Frame { route, frame: Frame::Pong }),
                Message::Close(_) => {
                    self.answer(&message);
                    self.gone(Ending { reason: Reason::PeerClosed, completed: false });
                    return None;
                }
            }
            let mut slot = self.slot.borrow_mut();
            if let Some(limit) = slot.limit.take() {
                self.codec.set_limits(Limits::of(limit));
            }
            let full = slot.queue.answers_len() > self.core.settings().answers_high();
            if slot.close.is_some() || slot.paused || full {
                return Some(input.len()).filter(|left| *left > 0);
            }
        }
    }

    /// Looks for the peer's close among frames nobody wants any more.
    fn skim(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let mut input = bytes;
        while let Ok(Some(_)) = self.codec.receive(&mut input) {}
        None
    }

    /// Appends what the protocol owes for a message.
    fn answer(&mut self, message: &Message<'_>) {
        let codec = &mut self.codec;
        self.core.append(&self.slot, |out| codec.answer(message, 0, out));
    }

    /// Appends a message as it came.
    fn repeat(&mut self, message: &Message<'_>) {
        let codec = &mut self.codec;
        // Refused only once a close is out, and then nobody waits for it.
        let _ = self.core.append(&self.slot, |out| codec.send(message, 0, out));
    }

    /// Tells the machine what is wrong; it orders the close.
    fn fault(&mut self, reason: Reason) {
        self.timer = None;
        self.core.turn(Input::Fault { route: self.route, reason });
        // Whatever the machine makes of it, this connection ends here.
        self.slot.borrow_mut().close.get_or_insert((reason.code(), reason));
    }

    /// Tells the machine that the connection is gone. What is queued may still be written.
    fn gone(&mut self, ending: Ending) {
        self.phase = Phase::Leaving { shut: false, ended: false };
        self.leftover = Vec::new();
        self.core.gone(self.route, ending);
        self.await_peer();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let core = Rc::clone(&self.core);
        core.polling(self.route, || self.advance(context))
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.core.house.connection_ended();
        match self.phase {
            // Cut short, as at the end of the process: the machine still hears of it.
            Phase::Open | Phase::Closing { .. } => {
                self.core.gone(self.route, Ending { reason: Reason::PeerLost, completed: false });
            }
            Phase::Leaving { .. } => {}
        }
    }
}

/// The close frame for a code and reason of the machine's.
fn close_frame(code: CloseCode, reason: Reason) -> Close<'static> {
    let Some(code) = websocket::CloseCode::new(code.0) else {
        tracing::error!(code = code.0, "close code may not be sent, closing without one");
        return Close::EMPTY;
    };
    Close::new(code, reason.label()).unwrap_or(Close::code_only(code))
}

/// The reason operators count for what the codec refused.
fn reason_of(error: Error) -> Reason {
    match error.close_code() {
        websocket::CloseCode::BAD_TEXT => Reason::BadText,
        websocket::CloseCode::TOO_BIG => Reason::TooBig,
        websocket::CloseCode::UNSUPPORTED => Reason::Binary,
        _ => Reason::Protocol,
    }
}

fn read<S: AsyncRead + Unpin>(io: &mut S, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    ready!(Pin::new(io).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
