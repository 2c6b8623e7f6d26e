//! Where a machine connects to, and how: the address, whom to trust, who may look at the frames.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};
use model::Secret;

use super::dial::{Dial, Network};
use super::tls;
use crate::tap::Tap;

/// A server's address and what goes with it. Nothing is looked at before it is used.
///
/// ```
/// let endpoint = client::Endpoint::new("wss://gateway.sample.test/ws/vendor").extra_ca("/etc/shop/ca.pem");
/// # let _ = endpoint;
/// ```
#[derive(Clone)]
pub struct Endpoint {
    url: String,
    extra_ca: Option<PathBuf>,
    certificate: Option<Shown>,
    plaintext: Plaintext,
    message_bytes: Option<usize>,
    headers: Vec<(&'static str, Secret)>,
    tap: Option<Tap>,
    dial: Option<Arc<dyn Dial>>,
}

/// The longest message a server may send unless the application or its dialect says otherwise, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024;

/// The files of the certificate we show.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// Where `ws://` is spoken: keys go over it as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plaintext {
    ToThisMachine,
    Anywhere,
}

impl Endpoint {
    /// The server at a `wss://` or `ws://` address.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            extra_ca: None,
            certificate: None,
            plaintext: Plaintext::ToThisMachine,
            message_bytes: None,
            headers: Vec::new(),
            tap: None,
            dial: None,
        }
    }

    /// Trusts the certificates of this PEM file beside those the world trusts. There is no way to trust everybody.
    #[must_use]
    pub fn extra_ca(mut self, pem: impl Into<PathBuf>) -> Self {
        self.extra_ca = Some(pem.into());
        self
    }

    /// Shows the certificates of the first PEM file, our own first, to a server that asks for one; the second holds the
    /// first one's private key.
    #[must_use]
    pub fn certificate(mut self, pem: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(Shown { chain: pem.into(), key: key.into() });
        self
    }

    /// Sends keys and answers unencrypted over a network, where everybody on the way can read and change them.
    /// Without this, `ws://` works only to the same machine.
    #[must_use]
    pub fn dangerous_plaintext_over_the_network(mut self) -> Self {
        self.plaintext = Plaintext::Anywhere;
        self
    }

    /// Takes messages up to so many bytes; without this, as many as the dialect's own limit, else 64 KiB. A server
    /// that sends a longer one is left.
    #[must_use]
    pub const fn messages_up_to(mut self, bytes: usize) -> Self {
        self.message_bytes = Some(bytes);
        self
    }

    /// What a dialect takes where the application has not said otherwise.
    #[must_use]
    pub(crate) fn messages_by_default(mut self, bytes: usize) -> Self {
        self.message_bytes = self.message_bytes.or(Some(bytes));
        self
    }

    /// Sends a header with the request, as dialects do that log in there. Later ones replace earlier ones.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: Secret) -> Self {
        self.headers.retain(|(there, _)| *there != name);
        self.headers.push((name, value));
        self
    }

    /// Shows every frame, redacted.
    #[must_use]
    pub fn tap(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Opens its streams another way: through a proxy of your own, or a pipe. TLS is then that way's affair.
    #[must_use]
    pub fn over(mut self, dial: impl Dial) -> Self {
        self.dial = Some(Arc::new(dial));
        self
    }

    /// Looks at everything that can be wrong before the first attempt to open a WebSocket.
    pub(crate) fn open(self) -> Result<Open, BadEndpoint> {
        self.open_as(Way::WebSocket)
    }

    /// Looks at everything that can be wrong before the first request.
    pub(crate) fn open_http(self) -> Result<Open, BadEndpoint> {
        self.open_as(Way::Http)
    }

    fn open_as(self, way: Way) -> Result<Open, BadEndpoint> {
        let target = Target::parse(&self.url, way)?;
        let dial = match self.dial {
            Some(dial) => dial,
            None if target.security == Security::Plaintext => {
                if self.plaintext == Plaintext::ToThisMachine && !target.is_this_machine() {
                    return Err(BadEndpoint::Plaintext { scheme: way.plain(), host: target.host });
                }
                Arc::new(Network::plain())
            }
            None => Arc::new(Network::encrypted(tls::config(self.extra_ca.as_deref(), self.certificate.as_ref())?)),
        };
        for (name, value) in &self.headers {
            if HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value.reveal()).is_err() {
                return Err(BadEndpoint::Header { name });
            }
        }
        Ok(Open {
            target: Arc::new(target),
            dial,
            message_bytes: self.message_bytes.unwrap_or(MESSAGE_BYTES),
            headers: self.headers.into(),
            tap: self.tap,
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold a ticket.
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("Endpoint").field("url", &url).field("extra_ca", &self.extra_ca).finish_non_exhaustive()
    }
}

/// An endpoint in which nothing is wrong.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) target: Arc<Target>,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) message_bytes: usize,
    pub(crate) headers: Arc<[(&'static str, Secret)]>,
    pub(crate) tap: Option<Tap>,
}

/// What is wrong with an endpoint, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum BadEndpoint {
    /// Not an address of such a server.
    #[error("expected an address such as {such_as}://host/path, {what}")]
    Url {
        /// The scheme that would be right.
        such_as: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Keys would go unencrypted over a network.
    #[error(
        "{scheme}:// to {host} would send keys unencrypted: use {scheme}s://, or allow plaintext if the network is \
         trusted"
    )]
    Plaintext {
        /// The scheme that was asked for.
        scheme: &'static str,
        /// The host, which is not this machine.
        host: String,
    },
    /// What goes into a header cannot stand there.
    #[error("expected letters, digits and signs in what is sent as {name}")]
    Header {
        /// Which header.
        name: &'static str,
    },
    /// The extra CA file cannot be used.
    #[error("expected PEM certificates in {}: {what}", file.display())]
    ExtraCa {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The certificate to be shown, or its key, cannot be used.
    #[error("expected {expected} in PEM in {}: {what}", file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The system gives no randomness.
    #[error("{0}")]
    Randomness(std::io::Error),
}

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    WebSocket,
    Http,
}

impl Way {
    const fn plain(self) -> &'static str {
        match self {
            Self::WebSocket => "ws",
            Self::Http => "http",
        }
    }

    const fn secure(self) -> &'static str {
        match self {
            Self::WebSocket => "wss",
            Self::Http => "https",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Plaintext,
    Tls,
}

/// An address, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    security: Security,
    host: String,
    port: u16,
    authority: String,
    path_and_query: String,
}

impl Target {
    pub(crate) fn parse(url: &str, way: Way) -> Result<Self, BadEndpoint> {
        let bad = |what: &str| BadEndpoint::Url { such_as: way.secure(), what: what.to_owned() };
        let uri: Uri = url.trim().parse().map_err(|error| bad(&format!("this is none: {error}")))?;
        let (security, default_port) = match uri.scheme_str() {
            Some(scheme) if scheme == way.secure() => (Security::Tls, 443),
            Some(scheme) if scheme == way.plain() => (Security::Plaintext, 80),
            Some(other) => return Err(bad(&format!("got the scheme {other}://"))),
            None => return Err(bad("the scheme is missing")),
        };
        let authority = uri.authority().ok_or_else(|| bad("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(bad("keys do not belong into an address"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(bad("the host is missing"));
        }
        let has_port = authority.as_str().strip_prefix(authority.host()).is_some_and(|rest| rest.starts_with(':'));
        if has_port && authority.port_u16().is_none() {
            return Err(bad("the port is no number from 0 to 65535"));
        }
        Ok(Self {
            security,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(default_port),
            authority: authority.as_str().to_owned(),
            path_and_query: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// The host without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also when the address leaves it out.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As the `Host` header has it.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// What is asked for; may hold a secret in its query.
    pub(crate) fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    fn is_this_machine(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let table = [
            ("wss://app.sample.test/ws/vendor", "app.sample.test", 443, "/ws/vendor"),
            ("ws://127.0.0.1:8080/ws/pvs?a=b", "127.0.0.1", 8080, "/ws/pvs?a=b"),
            ("wss://[::1]:9443", "::1", 9443, "/"),
        ];
        for (url, host, port, path) in table {
            let target = Target::parse(url, Way::WebSocket).unwrap();
            assert_eq!((target.host(), target.port(), target.path_and_query()), (host, port, path));
        }
    }

    #[test]
    fn a_bad_address_is_told_what_would_be_right() {
        let table = [
            ("", "expected an address such as wss://host/path, this is none: empty string"),
            ("gateway:8080", "expected an address such as wss://host/path, the scheme is missing"),
            ("https://a/", "expected an address such as wss://host/path, got the scheme https://"),
            ("wss://a:b@c/", "expected an address such as wss://host/path, keys do not belong into an address"),
            ("ws://a:/", "expected an address such as wss://host/path, the port is no number from 0 to 65535"),
            ("ws://a:99999/", "expected an address such as wss://host/path, the port is no number from 0 to 65535"),
        ];
        for (url, text) in table {
            assert_eq!(Target::parse(url, Way::WebSocket).unwrap_err().to_string(), text, "{url}");
        }
    }

    #[test]
    fn keys_go_unencrypted_only_to_this_machine_or_when_told_so() {
        for url in ["ws://localhost/", "ws://127.0.0.2:8080/", "ws://[::1]/"] {
            assert!(Endpoint::new(url).open().is_ok(), "{url}");
        }
        for url in ["ws://gateway/", "ws://10.0.0.1/", "ws://localhost.sample.test/"] {
            assert!(matches!(Endpoint::new(url).open(), Err(BadEndpoint::Plaintext { .. })), "{url}");
            assert!(Endpoint::new(url).dangerous_plaintext_over_the_network().open().is_ok(), "{url}");
        }
    }

    #[test]
    fn requests_go_where_http_is_spoken() {
        let target = Target::parse("https://pay.sample.test/v1", Way::Http).unwrap();
        assert_eq!((target.port(), target.path_and_query()), (443, "/v1"));
        let error = Target::parse("wss://pay.sample.test/v1", Way::Http).unwrap_err().to_string();
        assert_eq!(error, "expected an address such as https://host/path, got the scheme wss://");
        let error = Endpoint::new("http://gateway/").open_http().err().unwrap().to_string();
        assert!(error.starts_with("http:// to gateway would send keys unencrypted: use https://,"), "{error}");
    }

    #[test]
    fn a_header_that_would_break_the_request_is_refused() {
        let endpoint = Endpoint::new("ws://localhost/");
        assert!(endpoint.clone().header("x-api-key", Secret::new("mk_1")).open().is_ok());
        for value in ["a\r\nx: y", "a\0"] {
            let open = endpoint.clone().header("x-api-key", Secret::new(value)).open();
            assert!(matches!(open, Err(BadEndpoint::Header { name: "x-api-key" })));
        }
    }

    #[test]
    fn an_extra_ca_that_is_none_is_told_with_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (path, what) in [(file.path().to_owned(), "there is none"), ("no/such.pem".into(), "No such file")] {
            let error = Endpoint::new("wss://a/").extra_ca(&path).open().err().unwrap().to_string();
            assert!(error.contains(what) && error.contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_certificate_that_is_none_is_told_with_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Endpoint::new("wss://a/").certificate(file.path(), "key.pem").open().err().unwrap().to_string();
        let text = format!("expected a certificate in PEM in {}: there is none", file.path().display());
        assert_eq!(error, text);
    }
}
