//! From a stream of bytes to a WebSocket: our request out, a strictly checked response in.

use std::time::Duration;

use bytes::BytesMut;
use model::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websocket::handshake::{ClientHandshake, ResponseRefusal};

use super::dial::Stream;
use super::endpoint::Target;
use super::random;
use crate::link::Lost;

/// The longest response head that is read, in bytes.
const HEAD_BYTES: usize = 8 * 1024;

/// The most headers that are read.
const HEADERS: usize = 64;

/// A stream on which frames are spoken, and what the server said before we could ask.
pub(super) struct Upgraded {
    pub(super) stream: Box<dyn Stream>,
    pub(super) leftover: BytesMut,
}

/// Asks for the upgrade and checks the answer. Takes as long as the server does: the machine has the deadline.
pub(super) async fn upgrade(
    mut stream: Box<dyn Stream>,
    target: &Target,
    headers: &[(&'static str, Secret)],
) -> Result<Upgraded, Lost> {
    let broken = |error: std::io::Error| Lost::Broken(error.to_string());
    let handshake = ClientHandshake::new(random::nonce().map_err(broken)?);
    let mut request = format!("GET {} HTTP/1.1\r\nhost: {}\r\n", target.path_and_query(), target.authority());
    for (name, value) in handshake.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {}\r\n", value.reveal()));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;

    let mut head = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
            return Err(Lost::Handshake("the connection ended before its answer did".to_owned()));
        }
        if let Some(length) = check(&head, &handshake)? {
            let leftover = head.split_off(length);
            return Ok(Upgraded { stream, leftover });
        }
        if head.len() >= HEAD_BYTES {
            return Err(Lost::Handshake(format!("its answer has more than {HEAD_BYTES} bytes of headers")));
        }
    }
}

/// The length of the response head, once it is whole and agrees to our request.
fn check(head: &[u8], handshake: &ClientHandshake) -> Result<Option<usize>, Lost> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(head) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Lost::Handshake(format!("its answer is no HTTP: {error}"))),
    };
    if response.version != Some(1) {
        return Err(Lost::Handshake("its answer is not HTTP/1.1".to_owned()));
    }
    let status = response.code.unwrap_or_default();
    let headers = response.headers.iter().map(|header| (header.name, header.value));
    match handshake.verify(status, headers.clone()) {
        Ok(()) => Ok(Some(length)),
        Err(ResponseRefusal::Status(status)) => Err(Lost::Rejected { status, retry_after: retry_after(headers) }),
        Err(refusal) => Err(Lost::Handshake(refusal.to_string())),
    }
}

/// `Retry-After` in seconds. A date would ask us to compare clocks; our own pause does then.
fn retry_after<'h>(mut headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Option<Duration> {
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    std::str::from_utf8(value).ok()?.trim().parse().ok().map(Duration::from_secs)
}
