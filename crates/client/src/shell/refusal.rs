//! An ordinary HTTP answer instead of an upgrade: how long to stay away, and what its body says is wrong.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::link::Lost;
use crate::problem::Problem;

/// The longest body that is read, in bytes. What has no end by then says nothing.
const BODY_BYTES: u64 = 8 * 1024;

/// How long its body may take: the status is worth more than the words.
const BODY_WITHIN: Duration = Duration::from_secs(2);

/// The head of such an answer.
pub(super) struct Refusal {
    status: u16,
    retry_after: Option<Duration>,
    ends: Ends,
}

/// Where a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy)]
enum Ends {
    After(usize),
    WithTheLastChunk,
    WithTheConnection,
}

impl Refusal {
    pub(super) fn new<'h>(status: u16, headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone) -> Self {
        let header = |name: &str| {
            let (_, value) = headers.clone().find(|(there, _)| there.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(value).ok().map(str::trim)
        };
        let ends = match (header("transfer-encoding"), header("content-length").and_then(|bytes| bytes.parse().ok())) {
            _ if matches!(status, 100..=199 | 204 | 304) => Ends::After(0),
            (Some(_), _) => Ends::WithTheLastChunk,
            (None, Some(bytes)) => Ends::After(bytes),
            (None, None) => Ends::WithTheConnection,
        };
        // A date would ask us to compare clocks; our own pause does then.
        let retry_after = header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Self { status, retry_after, ends }
    }

    /// Reads the body, of which `begun` is there already.
    pub(super) async fn read(self, stream: impl AsyncRead + Unpin, begun: BytesMut) -> Lost {
        let mut body = begun;
        let mut stream = stream.take(BODY_BYTES);
        let rest = async {
            while self.ends.whole(&body).is_none() && stream.read_buf(&mut body).await.is_ok_and(|bytes| bytes > 0) {}
        };
        // What came in time may be whole all the same, where only the connection's end would say so.
        let _ = timeout(BODY_WITHIN, rest).await;
        let whole = self.ends.whole(&body).unwrap_or_else(|| body.to_vec());
        let said = std::str::from_utf8(&whole).map(Problem::of_body).unwrap_or_default();
        Lost::Rejected { status: self.status, problem: Problem { retry_after: self.retry_after, ..said } }
    }
}

impl Ends {
    /// The body, once it is whole.
    fn whole(self, body: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::After(bytes) => body.get(..bytes).map(<[u8]>::to_vec),
            Self::WithTheLastChunk => unchunked(body),
            Self::WithTheConnection => None,
        }
    }
}

/// What is in the chunks, once the last one is there (RFC 9112, section 7.1).
fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(body) {
        if size == 0 {
            return Some(data);
        }
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        data.extend_from_slice(body.get(start..end)?);
        body = body.get(end..)?.strip_prefix(b"\r\n")?;
    }
    None
}
