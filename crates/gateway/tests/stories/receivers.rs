//! Whoever our own calls go to: every name there is, each at an address of the whole internet, behind TLS and HTTP over
//! pipes in memory. A call waits there until it is told what to answer.
//!
//! Three names lie: `inside…` is an address of a private network, `both…` that one too, and `turns…` every other time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use gateway::{Answer, Outside, Stream};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use transcript::world::Posting;

/// Where everybody is, and where nobody may be called.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

/// A call, and where its answer is awaited.
pub(crate) struct Received {
    pub(crate) posting: Posting,
    pub(crate) answer: oneshot::Sender<u16>,
}

/// Clones are the same receivers.
#[derive(Clone)]
pub(crate) struct Receivers {
    /// Bytes that a pipe holds.
    pipe: usize,
    received: Arc<Mutex<Vec<Received>>>,
    connected: Arc<Mutex<Vec<SocketAddr>>>,
    looked_up: Arc<AtomicU32>,
}

impl Receivers {
    pub(crate) fn new(pipe: usize) -> Self {
        Self { pipe, received: Arc::default(), connected: Arc::default(), looked_up: Arc::default() }
    }

    /// Where connections were made to, in order.
    pub(crate) fn connected(&self) -> Vec<SocketAddr> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a name was looked up.
    pub(crate) fn looked_up(&self) -> u32 {
        self.looked_up.load(SeqCst)
    }

    /// The calls that came since the last look.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received())
    }

    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears one request after the other.
    async fn serve(self, scheme: &'static str, stream: Box<dyn Stream>) {
        let service = service_fn(|request| {
            let receivers = self.clone();
            async move { receivers.hear(scheme, request).await }
        });
        // However it ends: whoever called says what it made of that.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn hear(
        self,
        scheme: &str,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<Empty>, hyper::Error> {
        let (parts, mut body) = request.into_parts();
        assert_eq!(parts.method, "POST");
        let mut whole = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            whole.extend_from_slice(frame?.data_ref().unwrap_or(&Bytes::new()));
        }
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or("not text").to_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let host = parts.headers.get("host").map(text).unwrap_or_default();
        let posting = Posting { url: format!("{scheme}://{host}{}", parts.uri), headers, body: whole.freeze() };
        let (answer, answered) = oneshot::channel();
        self.received().push(Received { posting, answer });
        let status = match answered.await {
            Ok(status) => status,
            Err(_) => std::future::pending().await,
        };
        let mut response = hyper::Response::new(Empty);
        *response.status_mut() = hyper::StatusCode::from_u16(status).expect("stories write statuses");
        // A place that must not be called, whatever the status.
        response.headers_mut().insert("location", "http://127.0.0.1:1/".parse().expect("a header"));
        Ok(response)
    }
}

impl Outside for Receivers {
    fn look_up<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<IpAddr>> {
        let times = self.looked_up.fetch_add(1, SeqCst);
        let turned = name.starts_with("turns") && times % 2 == 1;
        Box::pin(async move {
            Ok(match () {
                () if name.starts_with("inside") || turned => vec![INSIDE.into()],
                () if name.starts_with("both") => vec![ADDRESS.into(), INSIDE.into()],
                () => vec![ADDRESS.into()],
            })
        })
    }

    fn connect(&self, address: SocketAddr) -> Answer<'_, Box<dyn Stream>> {
        let receivers = self.clone();
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).push(address);
        Box::pin(async move {
            if address.ip() != ADDRESS {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            }
            let (near, far) = tokio::io::duplex(receivers.pipe);
            tokio::spawn(async move {
                if address.port() == 80 {
                    receivers.serve("http", Box::new(far)).await;
                } else if let Ok(far) = acceptor().accept(far).await {
                    receivers.serve("https", Box::new(far)).await;
                }
            });
            let near: Box<dyn Stream> = Box::new(near);
            Ok(near)
        })
    }

    fn trusted(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(authority().0.clone()).expect("an authority of our own");
        roots
    }
}

/// An authority, and a certificate and key for everybody.
type Authority = (CertificateDer<'static>, CertificateDer<'static>, Vec<u8>);

fn authority() -> &'static Authority {
    static MADE: OnceLock<Authority> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let names = ["*.example.test".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        (authority.der().clone(), certificate.der().clone(), key.serialize_der())
    })
}

fn acceptor() -> TlsAcceptor {
    static MADE: OnceLock<TlsAcceptor> = OnceLock::new();
    let make = || {
        let (_, certificate, key) = authority();
        let key = PrivateKeyDer::try_from(key.clone()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("the usual versions").with_no_client_auth();
        TlsAcceptor::from(Arc::new(
            config.with_single_cert(vec![certificate.clone()], key).expect("they belong together"),
        ))
    };
    MADE.get_or_init(make).clone()
}

/// A body of nothing.
struct Empty;

impl Body for Empty {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
