//! Over TLS on loopback: who is trusted, and that nobody else is.

use std::io::Write as _;
use std::sync::Arc;

use client::rehearsal::Peer;
use client::{CheckFailure, Endpoint, Lost, check};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::stage::config;

/// A CA of our own, and a server it vouches for under this name. Gives the CA's file and the server's port.
async fn server(name: &str) -> (NamedTempFile, u16) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let mut ca = NamedTempFile::new().unwrap();
    ca.write_all(authority.pem().as_bytes()).unwrap();

    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us hangs up here.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let Ok(mut peer) = Peer::accept(stream).await else { continue };
            if peer.login().await.is_ok() && peer.text().await.is_some() {
                peer.send(r#"{"type":"pong"}"#).await.unwrap();
                peer.hear().await;
            }
        }
    });
    (ca, port)
}

#[tokio::test]
async fn a_server_is_trusted_with_its_ca_and_its_name_and_not_without() {
    let (ca, port) = server("localhost").await;
    let endpoint = || Endpoint::new(&format!("wss://localhost:{port}/ws/vendor"));
    let lines = config;
    check(endpoint().extra_ca(ca.path()), lines()).await.unwrap();

    let unknown = check(endpoint(), lines()).await.unwrap_err();
    assert!(matches!(unknown, CheckFailure::Tls(_)), "{unknown}");

    let other_name = Endpoint::new(&format!("wss://127.0.0.1:{port}/ws/vendor"));
    let misnamed = check(other_name.extra_ca(ca.path()), lines()).await.unwrap_err();
    assert!(matches!(misnamed, CheckFailure::Tls(_)), "{misnamed}");
}

#[tokio::test]
async fn a_plain_server_behind_an_encrypted_address_is_not_spoken_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let encrypted = format!("wss://localhost:{}/ws/vendor", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello[0], 22, "a TLS handshake and no key");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let failure = check(Endpoint::new(&encrypted), config()).await.unwrap_err();
    assert!(matches!(failure, CheckFailure::Tls(_)), "{failure}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_matter_of_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = check(Endpoint::new(&format!("ws://{address}/")), config()).await.unwrap_err();
    assert!(matches!(failure, CheckFailure::Network(Lost::Unreachable(_))), "{failure}");
}
