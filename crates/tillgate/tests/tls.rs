//! The binary's both ends over TLS: an authority of one's own, and a certificate exchanged on SIGHUP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::server::{PATIENCE, Server, until};
use common::{Said, ended, tillgate};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// An authority of our own, in its file.
fn authority(file: &Path) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file, authority.pem()).unwrap();
    authority
}

/// A certificate for this machine, and its key, in their files.
fn issue(authority: &Authority, folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, authority).unwrap();
    std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

fn create(data: &Path) -> String {
    let vendor = ["keys", "create", "--dialect", "boop", "--role", "requester", "--vendor-id", "ven_1", "--json"];
    let json = ended(tillgate().args(vendor).arg("--data").arg(data)).good();
    let made: serde_json::Value = serde_json::from_str(&json).unwrap();
    made["secret"].as_str().unwrap().to_owned()
}

#[test]
fn an_authority_of_ones_own_is_trusted_and_a_certificate_exchanged_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let (first, second) = (authority(&file("first.pem")), authority(&file("second.pem")));
    issue(&first, folder.path());
    let secret = create(&file("data"));
    let mut command = tillgate();
    command.args(["serve", "--listen", "127.0.0.1:0 tls", "--data"]).arg(file("data")).envs([
        ("TILLGATE_TLS_CERTIFICATE", file("certificate.pem")),
        ("TILLGATE_TLS_KEY", file("key.pem")),
        // Only the signal tells.
        ("TILLGATE_TLS_LOOK_EVERY", "1d".into()),
    ]);
    let server = Server::start(command, &file("log.txt"), |line| line.starts_with("https://").then(|| line.to_owned()));
    let url = format!("{}/ws/vendor", server.base.replace("https://", "wss://"));
    let check = |ca: &str| -> Said {
        let said = tillgate()
            .args(["connect", "boop", "--check", "--vendor", "ven_1", "--url", &url, "--extra-ca"])
            .arg(file(ca))
            .env("TILLGATE_KEY", &secret)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Said {
            code: said.status.code().unwrap_or(-1),
            out: String::new(),
            err: String::from_utf8(said.stderr).unwrap(),
        }
    };
    let good = check("first.pem");
    assert_eq!(good.code, 0, "{}", good.err);
    assert_eq!(check("second.pem").code, 13, "nobody else is trusted");

    issue(&second, folder.path());
    assert_eq!(check("second.pem").code, 13, "nobody has been told yet");
    server.signal("HUP");
    until(PATIENCE, || (check("second.pem").code == 0).then_some(()));
    assert_eq!(check("first.pem").code, 13);

    let (status, took) = server.stop();
    assert_eq!(status.code(), Some(0), "SIGHUP does not end it");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let log = std::fs::read_to_string(file("log.txt")).unwrap();
    assert!(log.contains("certificate exchanged") && !log.contains("PRIVATE KEY"), "{log}");
}
