//! TLS on a listener: handshakes, certificates that change under way, clients that show theirs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::{Gateway, Looked, Running, Speaks, StartError, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};
use tempfile::TempDir;
use websocket::{Limits, Message, Role};

use crate::parrot::Parrot;
use crate::peer::{request, text};
use crate::storage;

/// An authority, and a folder with the server's files.
struct Shelf {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Shelf {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let shelf = Self { authority, folder: tempfile::tempdir().unwrap() };
        std::fs::write(shelf.file("ca.pem"), shelf.authority.pem()).unwrap();
        shelf.renew();
        shelf
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// Another certificate and key; gives the certificate.
    fn renew(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.file("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(self.file("certificate.pem"), certificate.pem()).unwrap();
        certificate.der().clone()
    }

    fn gateway(&self) -> Gateway {
        let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
        gateway.listen[0].speaks = Speaks::Tls;
        gateway.settings.cores = 1;
        gateway.tls.certificate = self.text("certificate.pem");
        gateway.tls.key = self.text("key.pem");
        gateway
    }

    fn open(&self, change: impl FnOnce(&mut Gateway)) -> Running {
        let mut gateway = self.gateway();
        change(&mut gateway);
        gateway.start_with(storage(), |birth, _| Box::new(Parrot::new(birth.core))).unwrap()
    }

    /// What a client believes and shows.
    fn client(&self, versions: &[&'static rustls::SupportedProtocolVersion], shows: bool) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        if !shows {
            return builder.with_no_client_auth();
        }
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["till-1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
    }

    fn peer(&self, address: SocketAddr) -> Peer {
        Peer::open(address, self.client(rustls::ALL_VERSIONS, false)).unwrap()
    }
}

/// A WebSocket over TLS.
struct Peer {
    stream: StreamOwned<ClientConnection, TcpStream>,
    codec: websocket::Connection,
    unread: Vec<u8>,
}

impl Peer {
    fn open(address: SocketAddr, config: ClientConfig) -> std::io::Result<Self> {
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        stream.write_all(request("/echo").as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        let codec = websocket::Connection::new(Role::Client, Limits::of(1 << 24));
        Ok(Self { stream, codec, unread: Vec::new() })
    }

    fn say(&mut self, words: &str) {
        self.stream.write_all(&text(words)).unwrap();
    }

    fn hear(&mut self) -> String {
        loop {
            let came = self.unread.len();
            let mut input = &mut self.unread[..];
            let message = self.codec.receive(&mut input).unwrap().map(Message::into_owned);
            let left = input.len();
            self.unread.drain(..came - left);
            match message {
                Some(Message::Text(text)) => return text.into_owned(),
                Some(other) => panic!("{other:?}"),
                None => {
                    let mut bytes = [0; 4096];
                    let count = self.stream.read(&mut bytes).unwrap();
                    assert!(count > 0, "the stream has ended");
                    self.unread.extend_from_slice(&bytes[..count]);
                }
            }
        }
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

#[test]
fn a_socket_upgrades_over_tls_of_both_versions_and_says_that_it_speaks_http_1() {
    let shelf = Shelf::new();
    let running = shelf.open(|_| {});
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut config = shelf.client(&[version], false);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut peer = Peer::open(running.addresses()[0], config).unwrap();
        assert_eq!(peer.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(peer.stream.conn.protocol_version(), Some(version.version));
        peer.say("over tls");
        assert_eq!(peer.hear(), "over tls");
    }
    assert_eq!(ProtocolVersion::TLSv1_2, rustls::version::TLS12.version);
    let mut old = shelf.client(rustls::ALL_VERSIONS, false);
    old.alpn_protocols = vec![b"h2".to_vec()];
    assert!(Peer::open(running.addresses()[0], old).is_err(), "nobody speaks h2 here");
}

#[test]
fn what_a_peer_does_not_read_yet_waits_and_comes_whole() {
    let shelf = Shelf::new();
    let running = shelf.open(|gateway| gateway.settings.answers_most = 16_777_216);
    let mut peer = shelf.peer(running.addresses()[0]);
    let long = "x".repeat(3_000);
    // More than the sockets' buffers hold between them, so that TLS holds some of it back.
    for _ in 0..2_000 {
        peer.say(&long);
    }
    for _ in 0..2_000 {
        assert_eq!(peer.hear().len(), 3_000);
    }
    peer.say("last");
    assert_eq!(peer.hear(), "last");
}

#[test]
fn a_certificate_is_exchanged_and_nobody_is_dropped() {
    let shelf = Shelf::new();
    let running = shelf.open(|_| {});
    let address = running.addresses()[0];
    let mut before = shelf.peer(address);
    let old = before.certificate();
    assert_eq!(running.look_at_certificates().unwrap(), Looked::Same);
    let new = shelf.renew();
    assert_eq!(running.look_at_certificates().unwrap(), Looked::Exchanged);
    assert_eq!(shelf.peer(address).certificate(), new);
    assert_ne!(old, new);
    before.say("still here");
    assert_eq!(before.hear(), "still here");

    std::fs::write(shelf.file("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(running.look_at_certificates(), Err(TlsError::Unusable(_))), "a key of another certificate");
    std::fs::write(shelf.file("key.pem"), "nothing").unwrap();
    let error = running.look_at_certificates().unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("private key"), "{error}");
    assert_eq!(shelf.peer(address).certificate(), new, "what cannot be used changes nothing");
    let page = running.metrics();
    assert!(page.contains("tillgate_certificates_read_total{result=\"used\"} 1"), "{page}");
}

#[test]
fn changed_files_are_found_without_being_told() {
    let shelf = Shelf::new();
    let running = shelf.open(|gateway| gateway.tls.look_every = Duration::from_millis(20));
    let new = shelf.renew();
    crate::eventually("the new certificate is shown", || shelf.peer(running.addresses()[0]).certificate() == new);
}

#[test]
fn a_handshake_that_does_not_come_is_waited_for_only_so_long() {
    let shelf = Shelf::new();
    let running = shelf.open(|gateway| gateway.settings.tls_handshake_time = Duration::from_millis(100));
    let mut silent = TcpStream::connect(running.addresses()[0]).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let began = Instant::now();
    assert!(matches!(silent.read(&mut [0]), Ok(0) | Err(_)));
    assert!(began.elapsed() < Duration::from_secs(5));
    let mut plain = TcpStream::connect(running.addresses()[0]).unwrap();
    plain.write_all(request("/echo").as_bytes()).unwrap();
    crate::eventually("both are counted", || {
        let page = running.metrics();
        page.contains("tls_handshakes_failed_total{reason=\"late\"} 1")
            && page.contains("tls_handshakes_failed_total{reason=\"failed\"} 1")
    });
}

#[test]
fn clients_show_certificates_where_they_must() {
    let shelf = Shelf::new();
    for (required, shows, welcome) in
        [(false, false, true), (false, true, true), (true, false, false), (true, true, true)]
    {
        let running = shelf.open(|gateway| {
            gateway.tls.client_ca = shelf.text("ca.pem");
            gateway.tls.client_required = required;
        });
        let met = Peer::open(running.addresses()[0], shelf.client(rustls::ALL_VERSIONS, shows));
        assert_eq!(met.is_ok(), welcome, "required {required}, shows {shows}");
        let stranger = Shelf::new();
        let mut config = stranger.client(rustls::ALL_VERSIONS, true);
        let mut roots = RootCertStore::empty();
        roots.add(shelf.authority.der().clone()).unwrap();
        config.dangerous().set_certificate_verifier(
            rustls::client::WebPkiServerVerifier::builder_with_provider(
                Arc::new(roots),
                Arc::new(rustls::crypto::ring::default_provider()),
            )
            .build()
            .unwrap(),
        );
        assert!(Peer::open(running.addresses()[0], config).is_err(), "another authority's certificate");
    }
}

#[test]
fn what_is_missing_is_said_at_the_start() {
    let shelf = Shelf::new();
    let start = |change: &dyn Fn(&mut Gateway)| {
        let mut gateway = shelf.gateway();
        change(&mut gateway);
        gateway.start(storage(), crate::plan()).map(|running| running.addresses()[0])
    };
    let no_certificate = start(&|gateway| gateway.tls.certificate.clear()).unwrap_err();
    assert!(matches!(no_certificate, StartError::Tls(TlsError::NoCertificate)), "{no_certificate}");
    let no_listener = start(&|gateway| gateway.listen[0].speaks = Speaks::Plain).unwrap_err();
    assert!(matches!(no_listener, StartError::Tls(TlsError::NoListener)), "{no_listener}");
    let no_file = start(&|gateway| gateway.tls.key = shelf.text("none.pem")).unwrap_err();
    assert!(no_file.to_string().contains("none.pem"), "{no_file}");
    let swapped = start(&|gateway| std::mem::swap(&mut gateway.tls.certificate, &mut gateway.tls.key)).unwrap_err();
    assert!(swapped.to_string().contains("certificates in PEM"), "{swapped}");
    // With TLS, others may hear us.
    assert!(start(&|gateway| gateway.listen[0].address = "0.0.0.0:0".parse().unwrap()).is_ok());
}
