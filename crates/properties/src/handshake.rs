//! Any headers as an upgrade: refused with a reason, or agreed to by both sides.
//!
//! ```text
//! GET 11              the head: a method, and the version of HTTP; or a status, for a response
//! upgrade: websocket  a header
//! ```

use websocket::handshake::{ClientHandshake, ResponseRefusal, check_request, is_key};

use crate::program;

/// Headers looked at.
const MAX_HEADERS: usize = 64;

/// A request that is taken has one good key and one host, and its answer satisfies a client with that key; an answer
/// that satisfies our client is one to our key.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let (head, _) = program::lines(data);
    let (method, version) = head.split_once(' ').unwrap_or((&head, "11"));
    let version = (version.as_bytes().first().map_or(1, |major| major.wrapping_sub(b'0')), {
        version.as_bytes().get(1).map_or(1, |minor| minor.wrapping_sub(b'0'))
    });
    let raw = data.split(|byte| *byte == b'\n').skip(1).take(MAX_HEADERS);
    let headers: Vec<(&str, &[u8])> = raw
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, &line[colon + 1..]))
        })
        .collect();
    let named = |wanted: &str| -> Vec<&str> {
        let found = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| std::str::from_utf8(value).unwrap_or_default().trim_matches([' ', '\t'])).collect()
    };

    match check_request(method, version, headers.iter().copied()) {
        Ok(accepted) => {
            assert_eq!((method, version), ("GET", (1, 1)));
            let keys = named("sec-websocket-key");
            assert!(keys.len() == 1 && is_key(keys[0]), "a key that is none: {keys:?}");
            assert_eq!(named("host").len(), 1);
            assert_eq!(named("sec-websocket-version"), ["13"]);
            assert_eq!(accepted.accept(), websocket::handshake::accept_key(keys[0]));
            assert!(accepted.headers().iter().all(|(_, value)| !value.contains(['\r', '\n'])));
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }

    let ours = ClientHandshake::new(*b"the sample nonce");
    let status = u16::try_from(program::number(method, 999)).unwrap_or(0);
    match ours.verify(status, headers.iter().copied()) {
        Ok(()) => {
            assert_eq!(status, 101);
            assert_eq!(named("sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
        }
        Err(ResponseRefusal::Status(told)) => assert!(told == status && status != 101),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}
