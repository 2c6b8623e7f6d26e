//! Frame headers (RFC 6455, section 5.2): read from however few bytes there are, and written.
//!
//! A header is judged alone here, as far as its bytes allow; whether it fits the frames before it is the decoder's affair.

use bytes::{BufMut, BytesMut};

use crate::Role;
use crate::error::Error;
use crate::message::CONTROL_BYTES;

/// The longest header: two bytes, a 64-bit length and a mask key.
const HEADER_BYTES: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

impl Opcode {
    fn parse(bits: u8) -> Result<Self, Error> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            _ => Err(Error::ReservedOpcode),
        }
    }

    pub(crate) fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }
}

/// Whether more frames of the message follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fin {
    Last,
    More,
}

/// A whole header. `length` is what the peer claims and has been checked against nothing but the RFC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: Fin,
    pub(crate) opcode: Opcode,
    pub(crate) length: u64,
    /// All zero, which changes nothing, when the frame is not masked.
    pub(crate) key: [u8; 4],
}

/// How far the bytes at hand go.
enum Parsed {
    Whole { header: Header, size: usize },
    Partial { needs: usize },
}

impl Header {
    /// Reads a header at the start of `bytes`, refusing it at the first byte that is wrong. `role` is ours, the reader's.
    fn parse(bytes: &[u8], role: Role) -> Result<Parsed, Error> {
        let Some(&first) = bytes.first() else { return Ok(Parsed::Partial { needs: 2 }) };
        if first & RESERVED != 0 {
            return Err(Error::ReservedBits);
        }
        let opcode = Opcode::parse(first & 0x0f)?;
        let fin = if first & FIN == 0 { Fin::More } else { Fin::Last };
        if opcode.is_control() && fin == Fin::More {
            return Err(Error::ControlFragmented);
        }

        let Some(&second) = bytes.get(1) else { return Ok(Parsed::Partial { needs: 2 }) };
        let key_bytes = match (role, second & MASKED != 0) {
            (Role::Server, true) => 4,
            (Role::Client, false) => 0,
            (Role::Server, false) => return Err(Error::MaskMissing),
            (Role::Client, true) => return Err(Error::MaskForbidden),
        };
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES {
            return Err(Error::ControlTooLong);
        }

        let rest = &bytes[2..];
        let (length, length_bytes) = match short {
            126 => (rest.first_chunk::<2>().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 2),
            127 => (rest.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)), 8),
            short => (Some(u64::from(short)), 0),
        };
        let size = 2 + length_bytes + key_bytes;
        let Some(length) = length else { return Ok(Parsed::Partial { needs: size }) };
        if length >> 63 != 0 {
            return Err(Error::LengthHighBit);
        }
        if (length_bytes == 2 && length < 126) || (length_bytes == 8 && length <= u64::from(u16::MAX)) {
            return Err(Error::LengthNotMinimal);
        }

        let key = match (role, rest.get(length_bytes..).and_then(|rest| rest.first_chunk::<4>())) {
            (Role::Client, _) => [0; 4],
            (Role::Server, Some(key)) => *key,
            (Role::Server, None) => return Ok(Parsed::Partial { needs: size }),
        };
        Ok(Parsed::Whole { header: Self { fin, opcode, length, key }, size })
    }
}

/// The beginning of a header whose rest has not come yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartialHeader {
    bytes: [u8; HEADER_BYTES],
    have: u8,
}

impl PartialHeader {
    /// Takes from the front of `input` what the header still needs, and gives the header once it is whole.
    pub(crate) fn take(&mut self, input: &mut &mut [u8], role: Role) -> Result<Option<Header>, Error> {
        if self.have == 0
            && let Parsed::Whole { header, size } = Header::parse(input, role)?
        {
            split_off(input, size);
            return Ok(Some(header));
        }
        loop {
            let have = usize::from(self.have);
            let needs = match Header::parse(&self.bytes[..have], role)? {
                Parsed::Whole { header, .. } => return Ok(Some(header)),
                Parsed::Partial { needs } => needs,
            };
            let piece = split_off(input, needs - have);
            if piece.is_empty() {
                return Ok(None);
            }
            for (slot, byte) in self.bytes[have..].iter_mut().zip(piece.iter()) {
                *slot = *byte;
                self.have += 1;
            }
        }
    }
}

/// Takes up to `count` bytes from the front of `input`.
pub(crate) fn split_off<'b>(input: &mut &'b mut [u8], count: usize) -> &'b mut [u8] {
    let all = std::mem::take(input);
    let (piece, rest) = all.split_at_mut(count.min(all.len()));
    *input = rest;
    piece
}

/// Bytes of a header before a payload of `length`.
pub(crate) fn header_len(length: usize, role: Role) -> usize {
    let length_bytes = match length {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    let key_bytes = match role {
        Role::Server => 0,
        Role::Client => 4,
    };
    2 + length_bytes + key_bytes
}

/// Writes the header of an unfragmented frame. `key` is used when `role` is the client.
pub(crate) fn write_header(opcode: Opcode, length: usize, role: Role, key: [u8; 4], out: &mut BytesMut) {
    let masked = match role {
        Role::Server => 0,
        Role::Client => MASKED,
    };
    out.put_u8(FIN | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=125), _) => out.put_u8(masked | length),
        (_, Ok(length)) => {
            out.put_u8(masked | 126);
            out.put_u16(length);
        }
        (_, Err(_)) => {
            out.put_u8(masked | 127);
            out.put_u64(length as u64);
        }
    }
    match role {
        Role::Server => {}
        Role::Client => out.put_slice(&key),
    }
}
