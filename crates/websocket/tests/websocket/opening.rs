//! Requests that are taken, and the many that are not; responses likewise.

use websocket::handshake::{ClientHandshake, Refusal, ResponseRefusal, accept_key, check_request, is_key};

type Headers = Vec<(&'static str, &'static str)>;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request() -> Headers {
    vec![
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Origin", "http://example.com"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Sec-WebSocket-Version", "13"),
    ]
}

fn without(name: &str) -> Headers {
    request().into_iter().filter(|(other, _)| *other != name).collect()
}

fn with(name: &'static str, value: &'static str) -> Headers {
    let mut headers = request();
    headers.push((name, value));
    headers
}

fn replaced(name: &'static str, value: &'static str) -> Headers {
    let mut headers = without(name);
    headers.push((name, value));
    headers
}

fn bytes(headers: &Headers) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (*name, value.as_bytes()))
}

fn check(headers: &Headers) -> Result<(), Refusal> {
    check_request("GET", (1, 1), bytes(headers)).map(|_| ())
}

#[test]
fn the_request_of_the_rfc_is_accepted_and_its_answer_satisfies_its_client() {
    let headers = request();
    let accepted = check_request("GET", (1, 1), bytes(&headers)).unwrap();
    assert_eq!(accepted.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let client = ClientHandshake::new(*b"the sample nonce");
    let answer = accepted.headers();
    assert_eq!(client.verify(101, answer.iter().map(|(name, value)| (*name, value.as_bytes()))), Ok(()));

    let mut own: Vec<_> = client.headers().iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    own.push(("host", b"server.example.com"));
    assert_eq!(check_request("GET", (1, 1), own), Ok(accepted));
}

#[test]
fn tokens_are_found_without_case_in_lists_and_repeated_headers() {
    for headers in [
        replaced("Upgrade", "WebSocket"),
        replaced("Upgrade", "h2c, websocket"),
        with("Upgrade", "h2c"),
        replaced("Connection", "keep-alive, upgrade"),
        replaced("Connection", "keep-alive ,\tUPGRADE "),
        with("Connection", "keep-alive"),
        replaced("Sec-WebSocket-Version", " 13\t"),
        with("Content-Length", "0"),
    ] {
        assert_eq!(check(&headers), Ok(()), "{headers:?}");
    }
}

#[test]
fn whatever_is_missing_repeated_or_wrong_is_named() {
    for (headers, refusal) in [
        (without("Upgrade"), Refusal::UpgradeMissing),
        (replaced("Upgrade", "websockets"), Refusal::UpgradeMissing),
        (replaced("Upgrade", "websocket/13"), Refusal::UpgradeMissing),
        (without("Connection"), Refusal::ConnectionMissing),
        (replaced("Connection", "keep-alive"), Refusal::ConnectionMissing),
        (replaced("Connection", "not-upgrade"), Refusal::ConnectionMissing),
        (without("Sec-WebSocket-Version"), Refusal::VersionUnsupported),
        (replaced("Sec-WebSocket-Version", "8"), Refusal::VersionUnsupported),
        (replaced("Sec-WebSocket-Version", "13, 8"), Refusal::VersionUnsupported),
        (replaced("Sec-WebSocket-Version", "013"), Refusal::VersionUnsupported),
        (with("Sec-WebSocket-Version", "13"), Refusal::VersionUnsupported),
        (without("Host"), Refusal::HostMissing),
        (replaced("Host", ""), Refusal::HostMissing),
        (with("Host", "other.example.com"), Refusal::HostRepeated),
        (with("Content-Length", "5"), Refusal::BodyPresent),
        (with("Transfer-Encoding", "chunked"), Refusal::BodyPresent),
        (without("Sec-WebSocket-Key"), Refusal::KeyMissing),
        (with("Sec-WebSocket-Key", KEY), Refusal::KeyRepeated),
        (replaced("Sec-WebSocket-Key", ""), Refusal::KeyInvalid),
        (replaced("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), Refusal::KeyInvalid),
        (replaced("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSE="), Refusal::KeyInvalid),
        (replaced("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j_Q=="), Refusal::KeyInvalid),
    ] {
        assert_eq!(check(&headers), Err(refusal), "{headers:?}");
    }
    let headers = request();
    assert_eq!(check_request("POST", (1, 1), bytes(&headers)), Err(Refusal::MethodNotGet));
    assert_eq!(check_request("get", (1, 1), bytes(&headers)), Err(Refusal::MethodNotGet));
    for version in [(1, 0), (2, 0)] {
        assert_eq!(check_request("GET", version, bytes(&headers)), Err(Refusal::HttpVersion));
    }
    let mut binary: Vec<_> = bytes(&headers).filter(|(name, _)| *name != "Host").collect();
    binary.push(("Host", b"\xff"));
    assert_eq!(check_request("GET", (1, 1), binary), Err(Refusal::HostMissing));
}

#[test]
fn a_refusal_says_what_its_status_requires() {
    assert_eq!(Refusal::VersionUnsupported.status(), 426);
    assert!(Refusal::VersionUnsupported.headers().contains(&("sec-websocket-version", "13")));
    assert!(Refusal::UpgradeMissing.headers().contains(&("upgrade", "websocket")));
    assert_eq!((Refusal::MethodNotGet.status(), Refusal::MethodNotGet.headers()), (405, &[("allow", "GET")][..]));
    assert_eq!((Refusal::KeyInvalid.status(), Refusal::KeyInvalid.headers()), (400, &[][..]));
}

#[test]
fn keys_are_16_bytes_whatever_their_last_bits() {
    for (key, valid) in [(KEY, true), ("AAAAAAAAAAAAAAAAAAAAAB==", true), ("+/+/+/+/+/+/+/+/+/+/+/==", true)] {
        assert_eq!(is_key(key), valid, "{key}");
    }
    for key in ["", "==", "AAAAAAAAAAAAAAAAAAAAA===", "AAAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAA\u{e9}=="] {
        assert!(!is_key(key), "{key}");
    }
    // Another known answer, from the introduction of many implementations.
    assert_eq!(accept_key("x3JJHMbDL1EzLkh9GBhXDw=="), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

#[test]
fn a_response_is_taken_only_when_it_answers_our_request() {
    let client = ClientHandshake::new(*b"the sample nonce");
    let good: Headers = vec![
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];
    let verify = |headers: &Headers| client.verify(101, bytes(headers));
    assert_eq!(verify(&good), Ok(()));
    assert_eq!(client.verify(200, bytes(&good)), Err(ResponseRefusal::Status(200)));
    assert_eq!(client.verify(401, []), Err(ResponseRefusal::Status(401)));

    let change = |index: usize, value| {
        let mut headers = good.clone();
        headers[index].1 = value;
        headers
    };
    let add = |name, value| {
        let mut headers = good.clone();
        headers.push((name, value));
        headers
    };
    for (headers, refusal) in [
        (change(0, "h2c"), ResponseRefusal::UpgradeMissing),
        (change(1, "close"), ResponseRefusal::ConnectionMissing),
        (change(2, "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="), ResponseRefusal::AcceptWrong),
        (change(2, "S3PPLMBITXAQ9KYGZZHZRBK+XOO="), ResponseRefusal::AcceptWrong),
        (good[..2].to_vec(), ResponseRefusal::AcceptWrong),
        (add("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), ResponseRefusal::AcceptWrong),
        (add("Sec-WebSocket-Extensions", "permessage-deflate"), ResponseRefusal::ExtensionNotOffered),
        (add("Sec-WebSocket-Protocol", "chat"), ResponseRefusal::ProtocolNotOffered),
    ] {
        assert_eq!(verify(&headers), Err(refusal), "{headers:?}");
    }
}
