//! The requests that peers make: upgrades of sockets, and HTTP calls.
//!
//! Each dialect's peers present what they are given the way its clients do, so that a story need not say so.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dialects::boop;
use model::{Dialect, Digest, Request, Role, Secret, Wall};

use crate::binding::Bindings;
use crate::json::{Json, Speech};
use crate::story::{Message, Peer};

/// The request with which a peer opens a socket.
pub(crate) fn upgrade(
    peer: &Peer,
    index: usize,
    target: Option<&str>,
    headers: &[(String, String)],
) -> Result<Request, String> {
    let mut own = presented(peer);
    if let (Dialect::Modulus, Some((word, device))) = (peer.dialect, &peer.subject)
        && word == "device"
    {
        own.push(("x-device-id".to_owned(), device.clone()));
    }
    put(&mut own, &peer.headers);
    put(&mut own, headers);
    let target = target.unwrap_or_else(|| usual_path(peer.dialect, peer.role));
    request(peer, index, "GET", target, own, Bytes::new())
}

/// The request of a call, signed if its peer signs and the story has no signature of its own.
pub(crate) fn call(
    peer: &Peer,
    index: usize,
    message: &Message,
    now: Wall,
    bindings: &Bindings,
    count: u32,
) -> Result<Request, String> {
    let (method, target) = message
        .start
        .split_once(' ')
        .ok_or_else(|| format!("a call begins with its method, got `{}`", message.start))?;
    let target = bindings.fill(target, count)?;
    let body = match Json::parse(&message.body, Speech::Story) {
        Ok(_) => bindings.fill_json(&message.body, count)?,
        Err(_) => bindings.fill(&message.body, count)?,
    };
    let mut own = presented(peer);
    if body.starts_with(['{', '[']) {
        own.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    put(&mut own, &peer.headers);
    for (name, value) in &message.headers {
        put(&mut own, &[(name.clone(), bindings.fill(value, count)?)]);
    }
    let mut request = request(peer, index, method, &target, own, body.into())?;
    if let Some(secret) = &peer.secret
        && !peer.silent
        && request.header("x-signature").is_none()
    {
        sign(&mut request, secret, now);
    }
    Ok(request)
}

/// What a peer presents with every request, when its dialect's clients do it there.
fn presented(peer: &Peer) -> Vec<(String, String)> {
    match (peer.dialect, &peer.key) {
        (Dialect::Modulus, Some(key)) if !peer.silent => vec![("x-api-key".to_owned(), key.clone())],
        (Dialect::Modulus | Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay | Dialect::Boop, _) => Vec::new(),
    }
}

/// Adds headers, in place of those of the same name.
fn put(headers: &mut Vec<(String, String)>, more: &[(String, String)]) {
    headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    headers.extend_from_slice(more);
}

fn request(
    peer: &Peer,
    index: usize,
    method: &str,
    target: &str,
    headers: Vec<(String, String)>,
    body: Bytes,
) -> Result<Request, String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decoded(name)?.into(), decoded(value)?.into()));
    }
    pairs.extend(peer.query.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
    let last = u8::try_from(index + 1).map_err(|_| "too many peers".to_owned())?;
    Ok(Request {
        method: method.into(),
        path: path.into(),
        query: pairs,
        headers: headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        body,
        peer: peer.address.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))),
        certificate: None,
    })
}

/// Signs as modulus wants it: method, path, time and the body's digest, each on its line.
pub(crate) fn sign(request: &mut Request, secret: &str, now: Wall) {
    let timestamp = request.header("x-timestamp").map(str::to_owned);
    let timestamp = timestamp.unwrap_or_else(|| {
        request.headers.push(("x-timestamp".into(), now.to_string().into()));
        now.to_string()
    });
    let digest: String = Digest::of(&request.body).0.iter().map(|byte| format!("{byte:02x}")).collect();
    let message = format!("{}\n{}\n{timestamp}\n{digest}", request.method, request.path);
    let signature = STANDARD.encode(Secret::new(secret).sign(message.as_bytes()));
    request.headers.push(("x-signature".into(), signature.into()));
}

/// Where a dialect's sockets of a role usually are.
fn usual_path(dialect: Dialect, role: Role) -> &'static str {
    match (dialect, role) {
        (Dialect::Modulus, _) => "/v1",
        (Dialect::Fingerprint | Dialect::Ordernpay, _) => "/",
        (Dialect::Fd1, _) => "/fd1/open_websocket",
        (Dialect::Boop, Role::Performer) => boop::SCANNER_PATH,
        (Dialect::Boop, Role::Requester | Role::Admin) => boop::VENDOR_PATH,
    }
}

/// `%41` as `A`.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("expected a query with `%` and two hex digits, got `{text}`");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first == b'%' {
            let digits = more.get(..2).and_then(|two| std::str::from_utf8(two).ok()).ok_or_else(wrong)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = &more[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;
    use crate::story::{Act, Item, Say};

    fn peer(line: &str) -> Peer {
        let story = parse("test", &format!("# mark: choice\n= {line}\n")).unwrap();
        story.peers().next().unwrap().clone()
    }

    fn called(given: &str, lines: &str) -> Request {
        let story = parse("test", &format!("# mark: choice\n= {given}\n\n> {lines}\n")).unwrap();
        let message = story.lines.iter().find_map(|line| match &line.item {
            Item::Act(Act::Say { say: Say::Http(message), .. }) => Some(message),
            _ => None,
        });
        let now = Wall::parse("2031-03-04T05:06:07.089Z").unwrap();
        call(story.peers().next().unwrap(), 0, message.unwrap(), now, &Bindings::default(), 1).unwrap()
    }

    #[test]
    fn an_upgrade_goes_to_the_usual_path_or_the_written_one() {
        let lane = peer("lane boop performer");
        let usual = upgrade(&lane, 0, None, &[]).unwrap();
        assert_eq!((&*usual.path, usual.peer.to_string()), ("/ws/pvs", "192.0.2.1".to_owned()));
        let other = upgrade(&lane, 1, Some("/x?token=a%20b&c"), &[("origin".into(), "y".into())]).unwrap();
        assert_eq!(
            (other.query("token"), other.query("c"), other.header("origin")),
            (Some("a b"), Some(""), Some("y"))
        );
        assert!(upgrade(&lane, 1, Some("/x?token=%4"), &[]).is_err());
    }

    #[test]
    fn a_terminal_presents_its_key_and_its_name_and_headers_given_come_instead() {
        let headers = |line: &str, more: &[(String, String)]| {
            let request = upgrade(&peer(line), 0, None, more).unwrap();
            let headers = request.headers.iter().map(|(name, value)| format!("{name}={value}"));
            format!("{} {}", request.path, headers.collect::<Vec<_>>().join(" "))
        };
        let lane = "lane modulus performer key=mk_lane group=store-1 device=lane-7";
        assert_eq!(headers(lane, &[]), "/v1 x-api-key=mk_lane x-device-id=lane-7");
        assert_eq!(
            headers(
                &format!("{lane} header.x-device-id=lane-8 header.x-group-id=a"),
                &[("x-api-key".into(), "b".into())]
            ),
            "/v1 x-device-id=lane-8 x-group-id=a x-api-key=b"
        );
        let silent = peer("desk modulus requester key=mk_pos no-key query.x-api-key=mk_desk");
        let request = upgrade(&silent, 0, Some("/v1?a=b"), &[]).unwrap();
        assert_eq!(
            (request.headers.len(), request.query("a"), request.query("x-api-key")),
            (0, Some("b"), Some("mk_desk"))
        );
    }

    #[test]
    fn calls_are_signed_as_the_three_vectors_are() {
        let pos = "pos modulus requester key=mk_pos secret=demo-secret-lane7 group=store-1";
        let body = r#"{"transactionId":"0197a1c2-5b3e-7d44-9f10-2a6b8c0d1e2f","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}"#;
        for (lines, signature) in [
            ("GET /v1/terminals?x=1".to_owned(), "+0N+xR7FrU9Fx/UuZoPyVDk3uOS9FYViFqLJEwqA9NE="),
            (format!("POST /v1/terminals/lane-7/payments\n  {body}"), "YyAIF7fETQjJn0D2L/qKRay9XwWlqVTuPoHP7ictTRQ="),
            ("DELETE /v1/webhooks/endpoints/wh_demo1".to_owned(), "QiQHsisQy3Pf0f1AGYXwjnsYjxkUNhrgn/PtKsAOjHU="),
        ] {
            let request = called(pos, &lines);
            assert_eq!(request.header("x-signature"), Some(signature), "{lines}");
            assert_eq!(request.header("x-timestamp"), Some("2031-03-04T05:06:07.089Z"));
            assert_eq!(request.header("x-api-key"), Some("mk_pos"));
        }
    }

    #[test]
    fn what_a_call_writes_wins_and_who_has_no_secret_signs_nothing() {
        let pos = "pos modulus requester key=mk_pos secret=ms_pos group=store-1";
        let own = called(pos, "POST /v1/x\n  x-signature: mine\n  content-type: text/plain\n  {\"amount\":");
        let said = ["x-signature", "x-timestamp", "content-type"].map(|name| own.header(name));
        assert_eq!((said, &*own.body), ([Some("mine"), None, Some("text/plain")], &b"{\"amount\":"[..]));
        let other = called(pos, "GET /v1/x\n  x-timestamp: 2031-03-04T05:00:00Z");
        assert_ne!(other.header("x-signature"), called(pos, "GET /v1/x").header("x-signature"));
        for unsigned in ["lane modulus performer key=mk_lane group=store-1", &format!("{pos} no-key")] {
            assert_eq!(called(unsigned, "GET /v1/x").header("x-signature"), None);
        }
    }
}
