//! From a stream of bytes to a WebSocket: our request out, a strictly checked response in.

use bytes::BytesMut;
use model::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websocket::handshake::{ClientHandshake, ResponseRefusal};

use super::dial::Stream;
use super::endpoint::Target;
use super::random;
use super::refusal::Refusal;
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
        match check(&head, &handshake)? {
            Some(Answer::Yes { head_bytes }) => return Ok(Upgraded { stream, leftover: head.split_off(head_bytes) }),
            Some(Answer::No { head_bytes, refusal }) => {
                return Err(refusal.read(stream, head.split_off(head_bytes)).await);
            }
            None => {}
        }
        if head.len() >= HEAD_BYTES {
            return Err(Lost::Handshake(format!("its answer has more than {HEAD_BYTES} bytes of headers")));
        }
    }
}

/// What a server answers, and how long the head of that is.
enum Answer {
    Yes { head_bytes: usize },
    No { head_bytes: usize, refusal: Refusal },
}

/// The answer, once its head is whole.
fn check(head: &[u8], handshake: &ClientHandshake) -> Result<Option<Answer>, Lost> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head_bytes = match response.parse(head) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Lost::Handshake(format!("its answer is no HTTP: {error}"))),
    };
    if response.version != Some(1) {
        return Err(Lost::Handshake("its answer is not HTTP/1.1".to_owned()));
    }
    let status = response.code.unwrap_or_default();
    let headers = response.headers.iter().map(|header| (header.name, header.value));
    match handshake.verify(status, headers.clone()) {
        Ok(()) => Ok(Some(Answer::Yes { head_bytes })),
        Err(ResponseRefusal::Status(status)) => {
            Ok(Some(Answer::No { head_bytes, refusal: Refusal::new(status, headers) }))
        }
        Err(refusal) => Err(Lost::Handshake(refusal.to_string())),
    }
}
