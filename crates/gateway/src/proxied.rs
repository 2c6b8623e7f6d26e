//! Who a proxy says is behind it: the PROXY protocol before the first byte, or a header of the request.
//!
//! Both are believed only from proxies that the configuration names. The header is read from its end, where our own
//! proxy wrote: what stands further to the front is what the peer claims.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use model::setting::{Plain, Value};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::networks::Networks;

/// The signature of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const LINE_MOST: usize = 107;
/// The most bytes of addresses and extensions of version 2 that are read.
const REST_MOST: usize = 2048;

/// Which header says who is behind a trusted proxy. Only one is believed: a proxy passes on the one it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: address, address`.
    XForwardedFor,
    /// `Forwarded: for=address` (RFC 7239).
    Forwarded,
}

impl Plain for ForwardedHeader {
    fn value(&self) -> Value {
        Value::Text(match self {
            Self::XForwardedFor => "x-forwarded-for".to_owned(),
            Self::Forwarded => "forwarded".to_owned(),
        })
    }

    fn from_value(value: Value, _: u64, _: u64) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "x-forwarded-for" => Ok(Self::XForwardedFor),
            Value::Text(text) if text == "forwarded" => Ok(Self::Forwarded),
            _ => Err("\"x-forwarded-for\" or \"forwarded\"".to_owned()),
        }
    }
}

/// The address the request came from: the last one in the header that is not one of our proxies; `peer` when it is
/// none of them itself, or when nothing readable is said.
pub(crate) fn origin(peer: IpAddr, headers: &HeaderMap, which: ForwardedHeader, trusted: &Networks) -> IpAddr {
    if !trusted.contain(peer) {
        return peer;
    }
    let name = match which {
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
        ForwardedHeader::Forwarded => "forwarded",
    };
    let mut known = peer;
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
    for hop in hops {
        let address = match which {
            ForwardedHeader::XForwardedFor => address(hop.trim()),
            ForwardedHeader::Forwarded => forwarded_for(hop),
        };
        let Some(address) = address else { return known };
        known = address;
        if !trusted.contain(address) {
            return known;
        }
    }
    known
}

/// Whether a request has come through somebody else, as far as it says itself.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    ["x-forwarded-for", "forwarded", "via", "x-real-ip"].iter().any(|name| headers.contains_key(*name))
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
    })
}

/// An address, perhaps with brackets, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            Some(_) | None => text,
        },
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Reads the header of the PROXY protocol and not a byte more. None when the proxy speaks for itself.
pub(crate) async fn read_header<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<IpAddr>> {
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    if head == SIGNATURE { version_2(stream).await } else { version_1(stream, &head).await }
}

async fn version_2<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<IpAddr>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [version_and_command, family, length @ ..] = fixed;
    let length = usize::from(u16::from_be_bytes(length));
    if version_and_command >> 4 != 2 || length > REST_MOST {
        return Err(bad("version 2 was expected"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match version_and_command & 0xf {
        0 => return Ok(None),
        1 => {}
        _ => return Err(bad("an unknown command")),
    }
    match family >> 4 {
        1 => {
            let source: [u8; 4] = *rest.first_chunk().ok_or_else(|| bad("a short address"))?;
            Ok(Some(Ipv4Addr::from(source).into()))
        }
        2 => {
            let source: [u8; 16] = *rest.first_chunk().ok_or_else(|| bad("a short address"))?;
            Ok(Some(IpAddr::from(Ipv6Addr::from(source)).to_canonical()))
        }
        _ => Ok(None),
    }
}

async fn version_1<S: AsyncRead + Unpin>(stream: &mut S, head: &[u8]) -> io::Result<Option<IpAddr>> {
    if !head.starts_with(b"PROXY ") {
        return Err(bad("the header is missing"));
    }
    let mut line = head.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_MOST {
            return Err(bad("the line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| bad("the line is no text"))?;
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4" | "TCP6", source, _, _, _] => {
            let source: IpAddr = source.parse().map_err(|_| bad("the address is none"))?;
            Ok(Some(source.to_canonical()))
        }
        _ => Err(bad("the line has other words")),
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    async fn read(bytes: &[u8]) -> Result<(Option<String>, usize), io::ErrorKind> {
        let mut stream = bytes;
        let who = read_header(&mut stream).await.map_err(|error| error.kind())?;
        Ok((who.map(|who| who.to_string()), stream.len()))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family, 0, u8::try_from(rest.len()).unwrap()]);
        bytes.extend(rest);
        bytes
    }

    #[tokio::test]
    async fn both_versions_are_read_to_their_last_byte() {
        let four = [203, 0, 113, 7, 10, 0, 0, 1, 0x9c, 0x40, 1, 0xbb];
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        let with_extension = [&four[..], &[4, 0, 1, 0]].concat();
        let table: [(Vec<u8>, Option<&str>); 8] = [
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 443\r\n".to_vec(), Some("203.0.113.7")),
            (b"PROXY TCP6 2001:db8::7 ::1 40000 443\r\n".to_vec(), Some("2001:db8::7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (v2(1, 0x11, &four), Some("203.0.113.7")),
            (v2(1, 0x11, &with_extension), Some("203.0.113.7")),
            (v2(1, 0x21, &six), Some("2001:db8::")),
            (v2(0, 0, &[]), None),
        ];
        for (mut bytes, who) in table {
            bytes.extend(b"GET");
            assert_eq!(read(&bytes).await, Ok((who.map(str::to_owned), 3)), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        let table = [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 nobody 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 1\r\n".to_vec(),
            b"PROXY TCP5 203.0.113.7 10.0.0.1 1 2\r\n".to_vec(),
            v2(2, 0x11, &[0; 12]),
            v2(1, 0x11, &[1, 2]),
            long,
        ];
        for bytes in table {
            assert_eq!(read(&bytes).await, Err(io::ErrorKind::InvalidData), "{:?}", String::from_utf8_lossy(&bytes));
        }
        assert_eq!(read(b"PROXY TCP4 203").await, Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn the_header_is_believed_from_its_end_and_only_from_our_proxies() {
        use ForwardedHeader::{Forwarded, XForwardedFor};
        let trusted: Networks =
            ["127.0.0.1", "10.0.0.0/8"].iter().map(|text| text.parse::<crate::networks::Network>().unwrap()).collect();
        let table = [
            ("9.9.9.9", XForwardedFor, vec!["1.1.1.1"], "9.9.9.9"),
            ("127.0.0.1", XForwardedFor, vec![], "127.0.0.1"),
            ("127.0.0.1", XForwardedFor, vec!["203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", XForwardedFor, vec!["1.1.1.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
            ("127.0.0.1", XForwardedFor, vec!["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", XForwardedFor, vec!["1.1.1.1, unknown, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", XForwardedFor, vec!["203.0.113.7:4711"], "203.0.113.7"),
            ("127.0.0.1", XForwardedFor, vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            ("127.0.0.1", XForwardedFor, vec!["2001:db8::7"], "2001:db8::7"),
            ("127.0.0.1", Forwarded, vec!["203.0.113.7"], "127.0.0.1"),
            ("127.0.0.1", Forwarded, vec!["for=1.1.1.1, proto=https;For=\"[2001:db8::7]:1\""], "2001:db8::7"),
            ("127.0.0.1", Forwarded, vec!["for=_hidden"], "127.0.0.1"),
        ];
        for (peer, which, values, expected) in table {
            let name = if which == Forwarded { "forwarded" } else { "x-forwarded-for" };
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(name, HeaderValue::from_static(value));
            }
            let found = origin(peer.parse().unwrap(), &headers, which, &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {values:?}");
        }
    }
}
