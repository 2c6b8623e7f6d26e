//! HTTP calls of our own, to webhook endpoints: only to addresses that may be called, to exactly the address that was
//! looked at, without following anybody elsewhere, and never longer than was said.
//!
//! The answer is its status: its body is not read, so nobody can feed us one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use model::{CallId, Post, Posted, Route};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsConnector;

use crate::http::Whole;
use crate::inbox::Letter;
use crate::running::House;
use crate::storage::{Job, StoreDesk};

/// Calls that are made at once; more wait, as part of their time.
const CALLS_AT_ONCE: usize = 512;
/// Addresses of one name that are looked at.
const ADDRESSES_MOST: usize = 8;
/// Bytes of an answer's head.
const HEAD_BYTES: usize = 16_384;
/// Names that are looked up at once.
const LOOK_UPS_AT_ONCE: usize = 16;

/// A call, and who wants to know what came of it.
pub(crate) enum Errand {
    Call { whose: Whose, post: Box<Post> },
    Stop,
}

#[derive(Clone, Copy)]
pub(crate) enum Whose {
    Session { core: u8, route: Route, call: CallId },
    Courier { place: u64 },
}

pub(crate) type Errands = UnboundedReceiver<Errand>;

/// Where calls are handed in. What may wait is bounded by calls that are open, and by what a courier carries.
#[derive(Clone)]
pub(crate) struct Poster(UnboundedSender<Errand>);

impl Poster {
    pub(crate) fn new() -> (Self, Errands) {
        let (sender, errands) = unbounded_channel();
        (Self(sender), errands)
    }

    /// Whether nobody makes calls, or not any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Hands a call in; false when nobody makes it.
    pub(crate) fn send(&self, whose: Whose, post: Box<Post>) -> bool {
        self.0.send(Errand::Call { whose, post }).is_ok()
    }

    /// Ends the thread; what is on its way is forgotten.
    pub(crate) fn stop(&self) {
        // It may have ended by itself.
        let _ = self.0.send(Errand::Stop);
    }
}

/// Makes calls until told to stop.
pub(crate) fn run(mut errands: Errands, house: &Arc<House>, desk: &StoreDesk) {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(LOOK_UPS_AT_ONCE)
        .thread_name("webhooks-names")
        .build();
    let (runtime, tls) = match (runtime, tls()) {
        (Ok(runtime), Ok(tls)) => (runtime, tls),
        (Err(error), _) => return tracing::error!(%error, "webhooks cannot be sent"),
        (_, Err(error)) => return tracing::error!(%error, "webhooks cannot be sent"),
    };
    runtime.block_on(async {
        let room = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        while let Some(Errand::Call { whose, post }) = errands.recv().await {
            let (house, desk, tls, room) = (Arc::clone(house), desk.clone(), tls.clone(), Arc::clone(&room));
            tokio::spawn(async move {
                let by = house.clock.until(house.clock.now().at.after(post.within));
                let posted = async {
                    let Ok(_room) = room.acquire().await else { return Posted::Unreachable };
                    attempt(&tls, &post).await
                };
                let posted = tokio::select! {
                    posted = posted => posted,
                    () = by => Posted::Late,
                };
                match whose {
                    Whose::Session { core, route, call } => {
                        let done = model::Done::Posted(posted);
                        house.inboxes[usize::from(core)].deliver_one(Letter::Done { route, call, done });
                    }
                    // When the store's thread has ended, the delivery is still there for the next start.
                    Whose::Courier { place } => drop(desk.send(Job::Posted { place, posted })),
                }
            });
        }
    });
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
}

/// Trusts the roots that browsers trust.
fn tls() -> Result<TlsConnector, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// One call, however long it takes.
async fn attempt(tls: &TlsConnector, post: &Post) -> Posted {
    let Some(target) = Target::read(&post.url, post.anywhere) else { return Posted::Refused };
    let Ok(addresses) = lookup_host((&*target.host, target.port)).await else { return Posted::Unreachable };
    let addresses: Vec<SocketAddr> = addresses.take(ADDRESSES_MOST).collect();
    // A name that also stands for something inside is not ours to call at all.
    if !post.anywhere && !addresses.iter().all(|address| is_public(address.ip())) {
        return Posted::Refused;
    }
    for address in addresses {
        let Ok(stream) = TcpStream::connect(address).await else { continue };
        if !target.encrypted {
            return speak(stream, &target, post).await;
        }
        let Ok(name) = ServerName::try_from(target.host.clone()) else { return Posted::Refused };
        return match tls.connect(name, stream).await {
            Ok(stream) => speak(stream, &target, post).await,
            Err(_) => Posted::Unreachable,
        };
    }
    Posted::Unreachable
}

/// Says the request, and hears the status.
async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, target: &Target, post: &Post) -> Posted {
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let Ok((mut sender, connection)) = handshake else { return Posted::Unreachable };
    let mut request = Request::post(&*target.path)
        .header(HOST, &*target.authority)
        .header(USER_AGENT, concat!("tillgate/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let Ok(request) = request.body(Whole::new(post.body.clone())) else { return Posted::Refused };
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // It may have ended with the answer.
        _ = connection => answer.await,
    };
    answer.map_or(Posted::Unreachable, |answer| Posted::Answered(answer.status().as_u16()))
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    encrypted: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Target {
    fn read(url: &str, anywhere: bool) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let encrypted = match uri.scheme_str()? {
            "https" => true,
            "http" if anywhere => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Some(Self { encrypted, host, port, authority: authority.as_str().to_owned(), path })
    }
}

/// Whether an address is one of the whole internet's, and nothing that leads back to us or to our neighbours.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let assigned = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let measured = a == 198 && b & 0xfe == 18;
    !(a == 0
        || a >= 224
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || shared
        || assigned
        || measured)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only 2000::/3 is given out. In it: Teredo and other protocols' own, documentation, and 6to4, which carries an
    // IPv4 address. Mapped, translated, local and multicast addresses all lie outside.
    let global = a & 0xe000 == 0x2000;
    let special = match a {
        0x2001 => b < 0x0200 || b == 0x0db8,
        0x2002 | 0x3fff => true,
        _ => false,
    };
    global && !special
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_addresses_of_the_whole_internet_are_public() {
        for public in ["93.184.216.34", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "100::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[test]
    fn a_url_is_read_whole_or_not_at_all() {
        let target = Target::read("https://hooks.example.test:8443/pay?x=1", false).unwrap();
        assert_eq!((&*target.host, target.port, &*target.path), ("hooks.example.test", 8443, "/pay?x=1"));
        assert_eq!(Target::read("https://[2606:4700::1111]/", false).unwrap().host, "2606:4700::1111");
        assert_eq!(Target::read("https://a.test", false).unwrap().path, "/");
        for wrong in ["http://a.test/", "ftp://a.test/", "https://", "https://u:p@a.test/", "/pay", "https:///pay"] {
            assert_eq!(Target::read(wrong, false), None, "{wrong}");
        }
        assert_eq!(Target::read("http://a.test/", true).unwrap().port, 80);
    }

    fn to(url: String, anywhere: bool) -> Post {
        let headers = vec![("x-webhook-signature", "c2lnbmVk".to_owned())];
        Post { url: url.into(), headers, body: bytes::Bytes::from_static(b"{}"), within: Duration::ZERO, anywhere }
    }

    /// What a call to a receiver that answers so comes to, and what that has heard.
    async fn received(answer: &'static [u8]) -> (Posted, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"{}") {
                let mut some = [0; 1024];
                let count = stream.read(&mut some).await.unwrap();
                heard.extend_from_slice(&some[..count]);
            }
            stream.write_all(answer).await.unwrap();
            (heard, listener)
        });
        let posted = attempt(&tls().unwrap(), &to(format!("http://127.0.0.1:{port}/pay?x=1"), true)).await;
        let (heard, listener) = receiver.await.unwrap();
        let again =
            std::future::poll_fn(|context| std::task::Poll::Ready(listener.poll_accept(context).is_ready())).await;
        assert!(!again, "one call is one connection, wherever its answer points");
        (posted, String::from_utf8(heard).unwrap())
    }

    #[tokio::test]
    async fn a_receiver_hears_one_signed_request_and_its_status_is_the_answer() {
        let (posted, heard) = received(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(posted, Posted::Answered(204));
        assert!(heard.starts_with("POST /pay?x=1 HTTP/1.1\r\n"), "{heard}");
        for header in
            ["content-type: application/json", "content-length: 2", "x-webhook-signature: c2lnbmVk", "host: 127"]
        {
            assert!(heard.contains(header), "{heard}");
        }
    }

    #[tokio::test]
    async fn nobody_is_followed_elsewhere_and_no_body_is_waited_for() {
        let redirect = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(received(redirect).await.0, Posted::Answered(307));
        let endless = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 99999999999\r\n\r\nx";
        assert_eq!(received(endless).await.0, Posted::Answered(500));
        assert_eq!(received(b"SSH-2.0-nonsense\r\n").await.0, Posted::Unreachable);
    }

    #[tokio::test]
    async fn what_lies_inside_is_not_called() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = tls().unwrap();
        for host in
            ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "2130706433"]
        {
            let posted = attempt(&tls, &to(format!("https://{host}:{port}/"), false)).await;
            assert!(matches!(posted, Posted::Refused | Posted::Unreachable), "{host}: {posted:?}");
        }
        let called =
            std::future::poll_fn(|context| std::task::Poll::Ready(listener.poll_accept(context).is_ready())).await;
        assert!(!called, "not even a connection was made");
    }
}
