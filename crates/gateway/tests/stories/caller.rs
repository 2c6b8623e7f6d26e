//! One HTTP call at its end of a pipe: the request as bytes, the answer read strictly. It is pumped, as a [`Client`] is.
//!
//! [`Client`]: crate::client::Client

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use model::Request;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use transcript::world::{Life, Shown};

use crate::client::{Answer, target};

pub(crate) struct Caller {
    /// None once it is answered, let go or cut.
    pipe: Option<DuplexStream>,
    unsent: BytesMut,
    unread: Vec<u8>,
    /// Let go once everything is sent.
    leaves: bool,
}

impl Caller {
    /// A peer that has made a call.
    pub(crate) fn new(pipe: DuplexStream, request: &Request) -> Self {
        let mut unsent = BytesMut::new();
        let mut line = |text: &str| unsent.extend_from_slice(format!("{text}\r\n").as_bytes());
        line(&format!("{} {} HTTP/1.1", request.method, target(request)));
        line("host: gate.example");
        line(&format!("content-length: {}", request.body.len()));
        request.headers.iter().for_each(|(name, value)| line(&format!("{name}: {value}")));
        line("");
        unsent.extend_from_slice(&request.body);
        Self { pipe: Some(pipe), unsent, unread: Vec::new(), leaves: false }
    }

    pub(crate) fn life(&self) -> Life {
        if self.leaves || self.pipe.is_none() { Life::Over } else { Life::Opening }
    }

    /// Hangs up, once what it has said is sent.
    pub(crate) fn leave(&mut self) {
        self.leaves = true;
    }

    /// The other end was killed, or nothing more is wanted of it.
    pub(crate) fn cut(&mut self) {
        self.pipe = None;
    }

    /// What is wrong when nothing moves any more within an instant and the gateway has read everything.
    pub(crate) fn at_rest(&self) -> Option<String> {
        let left = self.pipe.is_some() && (self.leaves || !self.unsent.is_empty());
        left.then(|| "the gateway does not read a call".to_owned())
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
        if let Some(answer) = Answer::read(&mut self.unread)? {
            if !self.unread.is_empty() {
                return Err(format!("more comes after an answer: {:?}", String::from_utf8_lossy(&self.unread)));
            }
            let (response, _) = answer.into_response()?;
            seen.push(Shown::Respond(response));
            self.cut();
        } else if ended {
            return Err("the stream ends without an answer".to_owned());
        } else if self.leaves && self.unsent.is_empty() {
            self.cut();
            moved = true;
        }
        Ok(moved)
    }
}
