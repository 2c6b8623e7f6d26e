//! Bytes in, whole messages out. What lies whole in the bytes handed in is lent from there; only what is cut is kept.

use crate::Role;
use crate::close::Close;
use crate::error::Error;
use crate::frame::{Fin, Header, Opcode, PartialHeader, split_off};
use crate::limits::{Accepts, Limits};
use crate::mask::{advance, apply_mask};
use crate::message::{ControlPayload, Message};
use crate::pending::Pending;

/// The reading half of a connection.
///
/// It ends with the peer's close or with the first error; whatever comes after that is discarded unread.
///
/// ```
/// use websocket::{Decoder, Limits, Message, Role};
///
/// let mut decoder = Decoder::new(Role::Client, Limits::of(1024));
/// let mut input = &mut b"\x81\x02hi\x89".to_owned()[..];
/// assert_eq!(decoder.decode(&mut input)?, Some(Message::text("hi")));
/// // The ping has only begun; its first byte is remembered, and the input is used up.
/// assert_eq!(decoder.decode(&mut input)?, None);
/// assert!(input.is_empty());
/// # Ok::<(), websocket::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    role: Role,
    accepts: Accepts,
    expects: Expects,
    /// The data message that has begun and not ended.
    pending: Option<Box<Pending>>,
}

#[derive(Debug)]
enum Expects {
    Header(PartialHeader),
    Data(Payload),
    Control(Payload, Vec<u8>),
    /// The stream is over: the peer's close has come, or an error.
    Nothing,
}

/// The payload of the frame being read. Its length has passed the limits.
#[derive(Clone, Copy, Debug)]
struct Payload {
    remaining: usize,
    key: [u8; 4],
    opcode: Opcode,
    fin: Fin,
}

impl Decoder {
    /// A decoder at the start of a stream that reads text and binary. `role` is ours: a server expects masked frames.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        Self {
            limits,
            role,
            accepts: Accepts::TextAndBinary,
            expects: Expects::Header(PartialHeader::default()),
            pending: None,
        }
    }

    /// Changes the limits, from the next frame's header on. A frame already being read is finished under the old ones.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Changes which kinds of data message are read, from the next message on.
    pub fn set_accepts(&mut self, accepts: Accepts) {
        self.accepts = accepts;
    }

    /// Takes one message off the front of `input`, or uses all of it up and gives `None`.
    ///
    /// Call it until it gives `None`. Payloads are unmasked in place, so what was taken of `input` is no longer the wire's.
    ///
    /// # Errors
    ///
    /// An [`Error`] at the earliest byte that justifies it. The stream is over then; `input` and all that follows is
    /// discarded, and further calls give `None`.
    pub fn decode<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Message<'b>>, Error> {
        let result = self.advance(input);
        if matches!(result, Err(_) | Ok(Some(Message::Close(_)))) {
            self.expects = Expects::Nothing;
            self.pending = None;
            *input = &mut [];
        }
        result
    }

    /// Whether the stream is over: the peer's close or an error has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.expects, Expects::Nothing)
    }

    /// Bytes held on the heap for payload that has not come whole. Zero between messages.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let control = match &self.expects {
            Expects::Control(_, bytes) => bytes.capacity(),
            Expects::Header(_) | Expects::Data(_) | Expects::Nothing => 0,
        };
        control + self.pending.as_ref().map_or(0, |pending| size_of::<Pending>() + pending.capacity())
    }

    fn advance<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Message<'b>>, Error> {
        loop {
            match &mut self.expects {
                Expects::Header(partial) => {
                    let Some(header) = partial.take(input, self.role)? else { return Ok(None) };
                    let mut payload = self.admit(header)?;
                    let alone = payload.opcode.is_control() || (payload.fin == Fin::Last && self.pending.is_none());
                    if alone && payload.remaining <= input.len() {
                        self.expects = Expects::Header(PartialHeader::default());
                        return whole(payload.opcode, payload.take(input)).map(Some);
                    }
                    self.expects = if payload.opcode.is_control() {
                        Expects::Control(payload, Vec::new())
                    } else {
                        Expects::Data(payload)
                    };
                }
                Expects::Data(payload) => {
                    let at_most = payload.remaining;
                    let piece = payload.take(input);
                    let payload = *payload;
                    if payload.remaining == 0 {
                        self.expects = Expects::Header(PartialHeader::default());
                    } else if piece.is_empty() {
                        return Ok(None);
                    }
                    if let Some(message) = self.gather(payload, piece, at_most)? {
                        return Ok(Some(message));
                    }
                }
                Expects::Control(payload, gathered) => {
                    gathered.extend_from_slice(payload.take(input));
                    let opcode = payload.opcode;
                    if payload.remaining > 0 {
                        if opcode == Opcode::Close {
                            Close::check_beginning(gathered)?;
                        }
                        return Ok(None);
                    }
                    let body = std::mem::take(gathered);
                    self.expects = Expects::Header(PartialHeader::default());
                    return whole(opcode, &body).map(|message| Some(message.into_owned()));
                }
                Expects::Nothing => {
                    *input = &mut [];
                    return Ok(None);
                }
            }
        }
    }

    /// Judges a frame by its header and by the frames before it, before any of its payload is kept.
    fn admit(&mut self, header: Header) -> Result<Payload, Error> {
        let too_big = if header.length > self.limits.frame as u64 { Error::FrameTooBig } else { Error::MessageTooBig };
        let length = usize::try_from(header.length).map_err(|_| too_big)?;
        let payload = Payload { remaining: length, key: header.key, opcode: header.opcode, fin: header.fin };

        let so_far = match (header.opcode, &mut self.pending) {
            (Opcode::Close, _) if length == 1 => return Err(Error::CloseTooShort),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(payload),
            (Opcode::Continuation, None) => return Err(Error::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Error::MessageInterrupted),
            (Opcode::Binary, None) if self.accepts == Accepts::TextOnly => return Err(Error::BinaryRefused),
            (Opcode::Text | Opcode::Binary, None) => 0,
            (Opcode::Continuation, Some(pending)) => {
                if pending.fragments >= self.limits.fragments {
                    return Err(Error::TooManyFragments);
                }
                pending.fragments += 1;
                pending.len()
            }
        };
        if length > self.limits.frame || length > self.limits.message.saturating_sub(so_far) {
            return Err(too_big);
        }
        Ok(payload)
    }

    /// Keeps a piece of a data message; gives the message when this was its last.
    fn gather(&mut self, payload: Payload, piece: &[u8], at_most: usize) -> Result<Option<Message<'static>>, Error> {
        let pending = self.pending.get_or_insert_with(|| {
            Box::new(if payload.opcode == Opcode::Text { Pending::text() } else { Pending::binary() })
        });
        let at_most = match payload.fin {
            Fin::Last => at_most,
            Fin::More => at_most.max(self.limits.message.saturating_sub(pending.len())),
        };
        pending.push(piece, at_most)?;
        if payload.remaining > 0 || payload.fin == Fin::More {
            return Ok(None);
        }
        self.pending.take().map(|pending| pending.finish()).transpose()
    }
}

impl Payload {
    /// Takes what `input` has of this payload, unmasked.
    fn take<'b>(&mut self, input: &mut &'b mut [u8]) -> &'b [u8] {
        let piece = split_off(input, self.remaining);
        apply_mask(piece, self.key);
        self.key = advance(self.key, piece.len());
        self.remaining -= piece.len();
        piece
    }
}

/// A message whose one frame lies whole in `body`.
fn whole(opcode: Opcode, body: &[u8]) -> Result<Message<'_>, Error> {
    match opcode {
        Opcode::Text => std::str::from_utf8(body).map(Message::text).map_err(|_| Error::TextNotUtf8),
        Opcode::Binary | Opcode::Continuation => Ok(Message::binary(body)),
        Opcode::Ping => Ok(Message::Ping(ControlPayload::checked(body))),
        Opcode::Pong => Ok(Message::Pong(ControlPayload::checked(body))),
        Opcode::Close => Close::parse(body).map(Message::Close),
    }
}
