//! TLS on listeners: the certificate and its key, exchanged while connections go on, and the handshake.
//!
//! Files are looked at again and again and on request. Connections that are open keep what they began with; those that
//! come later get the new certificate. Files that cannot be used change nothing but a log line and a counter.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use crate::core::Core;
use crate::running::House;
use crate::settings::Tls;

/// Encrypted bytes that may wait within TLS; what is beyond waits in the connection's own queue, where it is counted.
const BUFFER_MOST: usize = 16 * 1024;

/// The certificate in use, and the files it came from.
pub(crate) struct Certificates {
    files: Files,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// What the files held then.
    seen: Digest,
    /// What was wrong at the last look.
    complaint: Option<String>,
}

/// What a look at the files brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// They are as they were.
    Same,
    /// They have changed, and newcomers get the new certificate.
    Exchanged,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A listener speaks TLS and no file is named.
    #[error("a listener speaks tls: certificate and key of section [tls] are missing")]
    NoCertificate,
    /// A file is named and no listener speaks TLS.
    #[error("section [tls] names a certificate and no listener speaks tls: write \"ADDRESS tls\" into listen")]
    NoListener,
    /// A file cannot be read, or holds something else.
    #[error("{}: expected {expected}: {cause}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// The files do not go together, or TLS does not take them.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The authority for clients' certificates cannot be used.
    #[error("the authority for clients' certificates cannot be used: {0}")]
    ClientAuthority(String),
    /// The system gives no randomness.
    #[error("no key for session tickets: {0}")]
    Tickets(String),
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_required: bool,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Vec<u8>,
}

impl Certificates {
    /// Reads them for the first time.
    pub(crate) fn load(settings: &Tls) -> Result<Self, TlsError> {
        if settings.certificate.is_empty() || settings.key.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let files = Files {
            certificate: PathBuf::from(&settings.certificate),
            key: PathBuf::from(&settings.key),
            client_ca: Some(&settings.client_ca).filter(|file| !file.is_empty()).map(PathBuf::from),
            client_required: settings.client_required,
        };
        let contents = files.read()?;
        let current = Current { config: Arc::new(files.config(&contents)?), seen: contents.digest(), complaint: None };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// Looks whether the files have changed. When they cannot be used, what is in use stays.
    pub(crate) fn look(&self) -> Result<Looked, TlsError> {
        let contents = self.files.read()?;
        let seen = contents.digest();
        if self.lock().seen == seen {
            return Ok(Looked::Same);
        }
        let config = Arc::new(self.files.config(&contents)?);
        *self.lock() = Current { config, seen, complaint: None };
        Ok(Looked::Exchanged)
    }

    /// Whether another look has not found the same fault already.
    pub(crate) fn is_news(&self, error: &TlsError) -> bool {
        let complaint = Some(error.to_string());
        let mut current = self.lock();
        let is_news = current.complaint != complaint;
        current.complaint = complaint;
        is_news
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.lock().config)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks again and again until the other end of the channel is gone.
pub(crate) fn watch(house: &House, every: Duration, told: &Receiver<()>) {
    while told.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        // What is wrong has been logged.
        let _ = house.look_at_certificates();
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Files {
    fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            certificate: read(&self.certificate, CERTIFICATES)?,
            key: Zeroizing::new(read(&self.key, KEY)?),
            client_ca: self.client_ca.as_deref().map_or(Ok(Vec::new()), |file| read(file, CERTIFICATES))?,
        })
    }

    fn config(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate, &contents.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| wrong(&self.key, KEY, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let authority = |error: &dyn fmt::Display| TlsError::ClientAuthority(error.to_string());
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file, &contents.client_ca)? {
                    roots.add(certificate).map_err(|error| authority(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if self.client_required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| authority(&error))?)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Tickets are kept by the peers, so that ten thousand that come back cost us no memory and little work. Every
        // exchange of certificates makes the old ones worthless.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer =
            rustls::crypto::ring::Ticketer::new().map_err(|error| TlsError::Tickets(error.to_string()))?;
        config.send_tls13_tickets = 1;
        Ok(config)
    }
}

impl Contents {
    fn digest(&self) -> Digest {
        let [certificate, key, client_ca] =
            [&self.certificate[..], &self.key[..], &self.client_ca[..]].map(|bytes| Digest::of(bytes).0);
        Digest::of(&[certificate, key, client_ca].concat())
    }
}

const CERTIFICATES: &str = "certificates in PEM";
const KEY: &str = "a private key in PEM";

fn read(file: &Path, expected: &'static str) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| wrong(file, expected, &error))
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(wrong(file, CERTIFICATES, &"there is none")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(wrong(file, CERTIFICATES, &error)),
    }
}

fn wrong(file: &Path, expected: &'static str, cause: &dyn fmt::Display) -> TlsError {
    TlsError::File { file: file.to_owned(), expected, cause: cause.to_string() }
}

/// The SHA-256 of the certificate the peer showed; TLS has made sure that an authority of `client_ca` gave it and that
/// the peer has its key. A session that is resumed has that of its beginning.
pub(crate) fn shown<S>(stream: &TlsStream<S>) -> Option<Digest> {
    let (_, connection) = stream.get_ref();
    connection.peer_certificates()?.first().map(|certificate| Digest::of(certificate))
}

/// The SHA-256 of the first certificate in a PEM file, as a peer that shows it is known by.
///
/// # Errors
/// [`TlsError::File`] when there is none.
pub fn certificate_digest(file: &Path) -> Result<Digest, TlsError> {
    let all = certificates(file, &read(file, CERTIFICATES)?)?;
    all.first().map(|certificate| Digest::of(certificate)).ok_or_else(|| wrong(file, CERTIFICATES, &"there is none"))
}

/// The handshake; none when it failed or took too long, which has been counted then.
pub(crate) async fn shake_hands<S>(core: &Core, certificates: &Certificates, stream: S) -> Option<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let until = core.now().at.after(core.settings().tls_handshake_time);
    let accept = TlsAcceptor::from(certificates.config())
        .accept_with(stream, |connection| connection.set_buffer_limit(Some(BUFFER_MOST)));
    let failed = tokio::select! {
        accepted = accept => match accepted {
            Ok(stream) => return Some(stream),
            Err(error) => {
                tracing::debug!(%error, "tls handshake failed");
                "failed"
            }
        },
        () = core.clock().until(until) => "late",
    };
    core.metrics().tls_failed(failed);
    None
}
