//! The server's side of opening: a request is taken, or refused with a status and a reason.

use std::fmt;

use super::{Once, Seen, VERSION, accept_key, is_key};

/// A request that passed. [`Accepted::headers`] go out with status 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    accept: String,
}

impl Accepted {
    /// The headers of the 101 response (RFC 6455, section 4.2.2).
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", &self.accept)]
    }

    /// The value of `Sec-WebSocket-Accept`.
    #[must_use]
    pub fn accept(&self) -> &str {
        &self.accept
    }
}

/// Checks an upgrade request (section 4.2.1): strict, so that nothing but a WebSocket client passes.
///
/// `version` is that of HTTP, major and minor; `headers` are all of the request's, repeated ones repeated. The path, the
/// origin and the credentials are others' affair.
///
/// ```
/// use websocket::handshake::check_request;
/// let headers = [
///     ("Host", "gate.example"),
///     ("Upgrade", "WebSocket"),
///     ("Connection", "keep-alive, Upgrade"),
///     ("Sec-WebSocket-Version", "13"),
///     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
/// ];
/// let headers = headers.map(|(name, value)| (name, value.as_bytes()));
/// let accepted = check_request("GET", (1, 1), headers)?;
/// assert_eq!(accepted.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<(), websocket::handshake::Refusal>(())
/// ```
///
/// # Errors
///
/// The first [`Refusal`] that applies, in the order of its list.
pub fn check_request<'h>(
    method: &str,
    version: (u8, u8),
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) -> Result<Accepted, Refusal> {
    let seen = Seen::read(headers);
    if method != "GET" {
        return Err(Refusal::MethodNotGet);
    }
    if version != (1, 1) {
        return Err(Refusal::HttpVersion);
    }
    if !seen.upgrade {
        return Err(Refusal::UpgradeMissing);
    }
    if !seen.connection {
        return Err(Refusal::ConnectionMissing);
    }
    match seen.version {
        Once::One(VERSION) => {}
        Once::Absent | Once::One(_) | Once::Repeated => return Err(Refusal::VersionUnsupported),
    }
    match seen.host {
        Once::Absent | Once::One("") => return Err(Refusal::HostMissing),
        Once::Repeated => return Err(Refusal::HostRepeated),
        Once::One(_) => {}
    }
    if seen.body {
        return Err(Refusal::BodyPresent);
    }
    match seen.key {
        Once::Absent => Err(Refusal::KeyMissing),
        Once::Repeated => Err(Refusal::KeyRepeated),
        Once::One(key) if is_key(key) => Ok(Accepted { accept: accept_key(key) }),
        Once::One(_) => Err(Refusal::KeyInvalid),
    }
}

/// Why a request is not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The method is not GET: 405.
    MethodNotGet,
    /// Not HTTP/1.1: 400.
    HttpVersion,
    /// No `Upgrade` header names `websocket`: 426.
    UpgradeMissing,
    /// No `Connection` header names `upgrade`: 400.
    ConnectionMissing,
    /// `Sec-WebSocket-Version` is not exactly one 13: 426, which names 13.
    VersionUnsupported,
    /// No `Host`, or an empty one: 400.
    HostMissing,
    /// More than one `Host`: 400.
    HostRepeated,
    /// A body was announced, whose bytes could be taken for frames: 400.
    BodyPresent,
    /// No `Sec-WebSocket-Key`: 400.
    KeyMissing,
    /// More than one `Sec-WebSocket-Key`: 400.
    KeyRepeated,
    /// A `Sec-WebSocket-Key` that is not the base64 of 16 bytes: 400.
    KeyInvalid,
}

impl Refusal {
    /// The status to answer with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MethodNotGet => 405,
            Self::UpgradeMissing | Self::VersionUnsupported => 426,
            Self::HttpVersion
            | Self::ConnectionMissing
            | Self::HostMissing
            | Self::HostRepeated
            | Self::BodyPresent
            | Self::KeyMissing
            | Self::KeyRepeated
            | Self::KeyInvalid => 400,
        }
    }

    /// The headers the status requires (RFC 9110, sections 15.5.6 and 15.5.22; RFC 6455, section 4.4).
    #[must_use]
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self.status() {
            405 => &[("allow", "GET")],
            426 => &[("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-version", VERSION)],
            _ => &[],
        }
    }

    /// A short, stable name, in the style of a metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MethodNotGet => "method_not_get",
            Self::HttpVersion => "http_version",
            Self::UpgradeMissing => "upgrade_missing",
            Self::ConnectionMissing => "connection_missing",
            Self::VersionUnsupported => "version_unsupported",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::BodyPresent => "body_present",
            Self::KeyMissing => "key_missing",
            Self::KeyRepeated => "key_repeated",
            Self::KeyInvalid => "key_invalid",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MethodNotGet => "method must be GET",
            Self::HttpVersion => "must be HTTP/1.1",
            Self::UpgradeMissing => "header Upgrade must name websocket",
            Self::ConnectionMissing => "header Connection must name upgrade",
            Self::VersionUnsupported => "header Sec-WebSocket-Version must be 13, once",
            Self::HostMissing => "header Host is missing",
            Self::HostRepeated => "header Host must come once",
            Self::BodyPresent => "an upgrade request must not have a body",
            Self::KeyMissing => "header Sec-WebSocket-Key is missing",
            Self::KeyRepeated => "header Sec-WebSocket-Key must come once",
            Self::KeyInvalid => "header Sec-WebSocket-Key must be the base64 of 16 bytes",
        })
    }
}

impl std::error::Error for Refusal {}
