//! The binary's both ends over TLS: an authority of one's own, a certificate exchanged on SIGHUP, and keys that need the
//! client's certificate.

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

/// What `tillgate keys` printed of the one key it made.
fn keys(data: &Path, arguments: &[&str]) -> serde_json::Value {
    let json = ended(tillgate().arg("keys").args(arguments).args(["--json", "--data"]).arg(data)).good();
    serde_json::from_str(&json).unwrap()
}

fn secret(made: &serde_json::Value) -> &str {
    made["secret"].as_str().unwrap()
}

const VENDOR: [&str; 7] = ["create", "--dialect", "boop", "--role", "requester", "--vendor-id", "ven_1"];

/// Logs in, pings once and ends.
fn check(url: &str, secret: &str, ca: &Path, more: &[&str]) -> Said {
    let said = tillgate()
        .args(["connect", "boop", "--check", "--url", url, "--extra-ca"])
        .arg(ca)
        .args(more)
        .env("TILLGATE_KEY", secret)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said { code: said.status.code().unwrap_or(-1), out: String::new(), err: String::from_utf8(said.stderr).unwrap() }
}

#[test]
fn an_authority_of_ones_own_is_trusted_and_a_certificate_exchanged_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let (first, second) = (authority(&file("first.pem")), authority(&file("second.pem")));
    issue(&first, folder.path());
    let made = keys(&file("data"), &VENDOR);
    let mut command = tillgate();
    command.args(["serve", "--listen", "127.0.0.1:0 tls", "--data"]).arg(file("data")).envs([
        ("TILLGATE_TLS_CERTIFICATE", file("certificate.pem")),
        ("TILLGATE_TLS_KEY", file("key.pem")),
        // Only the signal tells.
        ("TILLGATE_TLS_LOOK_EVERY", "1d".into()),
    ]);
    let server = Server::start(command, &file("log.txt"), |line| line.starts_with("https://").then(|| line.to_owned()));
    let url = format!("{}/ws/vendor", server.base.replace("https://", "wss://"));
    let check = |ca: &str| check(&url, secret(&made), &file(ca), &["--vendor", "ven_1"]);
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

#[test]
fn a_key_bound_to_a_certificate_works_with_that_one_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let ours = authority(&file("ca.pem"));
    for name in ["server", "till", "other"] {
        std::fs::create_dir(file(name)).unwrap();
        issue(&ours, &file(name));
    }
    let certificate = |of: &str| file(of).join("certificate.pem").to_str().unwrap().to_owned();
    let key = |of: &str| file(of).join("key.pem").to_str().unwrap().to_owned();
    let till = certificate("till");
    let data = file("data");
    let bound = keys(&data, &[&VENDOR[..], &["--certificate", &till]].concat());
    let free = keys(&data, &VENDOR);
    let scanner = ["create", "--dialect", "boop", "--role", "performer", "--group", "ven_1", "--device", "pvs_1"];
    let scanner = keys(&data, &[&scanner[..], &["--certificate", &till]].concat());
    let mut command = tillgate();
    command.args(["serve", "--listen", "127.0.0.1:0 tls", "--data"]).arg(&data).envs([
        ("TILLGATE_TLS_CERTIFICATE", certificate("server")),
        ("TILLGATE_TLS_KEY", key("server")),
        ("TILLGATE_TLS_CLIENT_CA", file("ca.pem").to_str().unwrap().to_owned()),
    ]);
    let server = Server::start(command, &file("log.txt"), |line| line.starts_with("https://").then(|| line.to_owned()));
    let base = server.base.replace("https://", "wss://");
    let said = |path: &str, made: &serde_json::Value, who: [&str; 2], of: Option<&str>| {
        let shown = of.map(|of| (certificate(of), key(of)));
        let mut more = who.to_vec();
        if let Some((certificate, key)) = &shown {
            more.extend(["--certificate", certificate, "--certificate-key", key]);
        }
        check(&format!("{base}{path}"), secret(made), &file("ca.pem"), &more)
    };
    let vendor = |made: &serde_json::Value, of: Option<&str>| said("/ws/vendor", made, ["--vendor", "ven_1"], of);
    let admitted = |said: Said| assert_eq!(said.code, 0, "{}", said.err);
    let refused = |said: Said| {
        assert_eq!(said.code, 10, "{}", said.err);
        assert!(said.err.contains("INVALID_CREDENTIALS"), "in the dialect's own words: {}", said.err);
    };
    admitted(vendor(&bound, Some("till")));
    refused(vendor(&bound, Some("other")));
    refused(vendor(&bound, None));
    for of in [None, Some("till"), Some("other")] {
        admitted(vendor(&free, of));
    }
    let door = |of| said("/ws/pvs", &scanner, ["--device", "pvs_1"], of);
    admitted(door(Some("till")));
    refused(door(None));

    // A successor needs the same certificate, or a new one.
    let id = bound["id"].as_str().unwrap();
    let same = keys(&data, &["rotate", id]);
    let renewed = keys(&data, &["rotate", same["id"].as_str().unwrap(), "--certificate", &certificate("other")]);
    assert_eq!(same["certificate"], bound["certificate"]);
    until(PATIENCE, || (vendor(&renewed, Some("other")).code == 0).then_some(()));
    refused(vendor(&renewed, Some("till")));
    admitted(vendor(&same, Some("till")));
    refused(vendor(&same, Some("other")));
    assert_eq!(server.stop().0.code(), Some(0));
}
