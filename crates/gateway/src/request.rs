//! From hyper's request to the model's: lower-case names, a decoded query, the peer's address.

use std::net::IpAddr;

use bytes::Bytes;
use hyper::http::request::Parts;
use model::{Digest, Request};

/// The request as sessions see it. Its query and headers may hold secrets, so nothing else keeps them.
pub(crate) fn model(parts: &Parts, peer: IpAddr, certificate: Option<Digest>) -> Request {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().into(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    Request {
        method: parts.method.as_str().into(),
        path: parts.uri.path().into(),
        query: parts.uri.query().map(query).unwrap_or_default(),
        headers,
        body: Bytes::new(),
        peer,
        certificate,
    }
}

/// Whether somebody wants a WebSocket, however badly they ask. `Upgrade: h2c` on a plain request is not that.
pub(crate) fn wants_websocket(parts: &Parts) -> bool {
    let upgrade = parts.headers.get_all("upgrade").iter().any(|value| {
        value.to_str().is_ok_and(|list| list.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket")))
    });
    upgrade || parts.headers.contains_key("sec-websocket-key") || parts.headers.contains_key("sec-websocket-version")
}

fn query(text: &str) -> Vec<(Box<str>, Box<str>)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name).into(), decoded(value).into())
        })
        .collect()
}

/// Undoes percent signs and pluses; what is not UTF-8 then is shown as replaced, and matches nothing.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match after.split_first_chunk::<2>().and_then(|(digits, after)| Some((hex(*digits)?, after))) {
                Some((byte, after)) => {
                    bytes.push(byte);
                    rest = after;
                }
                None => bytes.push(b'%'),
            },
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_in_order() {
        let pairs = |text| query(text).into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        assert_eq!(pairs("token=a%2Fb+c&&x"), ["token=a/b c", "x="]);
        assert_eq!(pairs("a=%zz&b=%4&c=100%"), ["a=%zz", "b=%4", "c=100%"]);
        assert_eq!(pairs("a=%ff"), ["a=\u{fffd}"]);
    }
}
