//! Any text as the URL of a webhook endpoint, and any body as what a till says of one: what is taken can be read in one
//! way only, and leads outside or nowhere.
//!
//! The first byte says what it is: `u` a URL, `b` the body of a create, `p` the body of an update.

use std::net::{IpAddr, Ipv4Addr};

use dialects::modulus::Choices;
use model::{
    Call, Done, Endpoint, EndpointId, EndpointWork, EndpointsDone, Host, Output, Post, Posted, Response, Secret, Wall,
    WebAddress, is_public,
};

use super::session::{Peer, Stage, stage};
use super::{group, object, request};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Whatever comes: no panic, one answer; an endpoint that is made is pinged first, where it says, with headers that are
/// one line each, and shows its secret this once.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((b'u', rest)) => drop(std::str::from_utf8(rest).ok().map(is_plain)),
        Some((b'b', rest)) => create(rest),
        Some((b'p', rest)) => update(rest),
        Some(_) | None => {}
    }
}

/// What is taken for a URL is one to everybody, and the same one.
fn is_plain(text: &str) {
    let Some(address) = WebAddress::parse(text) else { return };
    let WebAddress { encrypted, host, port, path, authority } = &address;
    let scheme = if *encrypted { "https" } else { "http" };
    assert!(text.is_ascii() && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert!(!text.contains(['\\', '#', '"', '<', '>']) && !authority.contains(['@', '%', '/', '?']), "{text}");
    assert!(path.starts_with('/') && *port > 0);
    assert_eq!(WebAddress::parse(&format!("{scheme}://{authority}{path}")), Some(address.clone()), "{text}");
    let with_port = |host: &str| [host.to_owned(), format!("{host}:{port}")];
    match host {
        Host::Name(name) => {
            assert_eq!(loose(name), None, "{text} is an address to some");
            assert!(!name.ends_with('.') && name.parse::<IpAddr>().is_err(), "{text}");
            assert!(with_port(name).contains(&authority.to_ascii_lowercase()), "{text}");
        }
        Host::Address(IpAddr::V4(four)) => {
            assert_eq!(loose(&four.to_string()), Some(*four));
            assert!(with_port(&four.to_string()).contains(&authority.to_string()), "{text}");
        }
        Host::Address(IpAddr::V6(six)) => {
            let four = six.to_ipv4_mapped();
            assert!(four.is_none() || !is_public((*six).into()), "{text}");
            assert!(authority.starts_with('['));
        }
    }
    if let Host::Address(address) = host {
        let inside = address.is_loopback() || address.is_unspecified() || address.is_multicast();
        assert!(!(inside && is_public(*address)), "{text}");
    }
}

/// A text as resolvers read addresses that were never told not to: one to four numbers, decimal, octal or hexadecimal.
fn loose(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match part.strip_prefix("0x").or(part.strip_prefix("0X")) {
        Some("") => Some(0),
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u64::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let room = 4_u32.checked_sub(u32::try_from(first.len()).ok()?).filter(|room| *room > 0)?;
    if *last >= 1 << (8 * room) || first.iter().any(|part| *part > 255) {
        return None;
    }
    let high = first.iter().zip([24, 16, 8]).map(|(part, shift)| part << shift).sum::<u64>();
    u32::try_from(high + last).ok().map(Ipv4Addr::from)
}

/// A call about endpoints that is let in, with the work it wants done.
struct Errand {
    stage: Stage,
    out: Vec<Output>,
}

impl Errand {
    fn begin(method: &str, path: &str, body: &[u8]) -> Self {
        let mut stage = stage(Peer::Caller, Choices::default());
        stage.open(&request(method, path, &[("x-api-key", "mk_1")], body));
        stage.enter();
        let out = stage.said().to_vec();
        Self { stage, out }
    }

    /// The work that is wanted now.
    fn wants(&self) -> Option<&Call> {
        self.out.iter().rev().find_map(|output| match output {
            Output::Call { call, .. } if !matches!(call, Call::Authenticate { .. }) => Some(call),
            _ => None,
        })
    }

    fn done(&mut self, done: Done) {
        self.out = self.stage.worked(done);
    }

    /// The one answer.
    fn answered(self) -> Response {
        let mut answers = self.stage.end().into_iter().filter_map(|output| match output {
            Output::Respond(response) => Some(response),
            _ => None,
        });
        let answer = answers.next().expect("a call is answered");
        assert!(answers.next().is_none(), "answered twice");
        answer
    }
}

fn listed(endpoints: Vec<Endpoint>) -> Done {
    Done::Endpoints(Some(EndpointsDone::Listed(endpoints)))
}

/// A ping goes where the body says, encrypted, and is signed.
fn pinged(post: &Post) {
    is_plain(&post.url);
    assert!(WebAddress::parse(&post.url).is_some_and(|address| address.encrypted) && !post.anywhere);
    assert_eq!(object(&post.body)["eventType"], "ping");
    assert!(post.headers.iter().any(|(name, _)| *name == "x-webhook-signature"));
    assert!(post.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])));
}

fn create(body: &[u8]) {
    let mut errand = Errand::begin("POST", "/v1/webhooks/endpoints", body);
    if errand.wants().is_none() {
        let refused = errand.answered();
        assert_eq!(refused.status, 400);
        return;
    }
    errand.done(listed(Vec::new()));
    assert_eq!(errand.wants(), Some(&Call::Draw));
    errand.done(Done::Drawn(Some(Secret::new(SECRET))));
    let Some(Call::Post(post)) = errand.wants() else { panic!("no ping: {:?}", errand.out) };
    pinged(post);
    let url = post.url.clone();
    errand.done(Done::Posted(Posted::Answered(200)));
    let Some(Call::Endpoints { work: EndpointWork::Add { endpoint, most: 16 }, .. }) = errand.wants() else {
        panic!("nothing is stored: {:?}", errand.out)
    };
    let endpoint = Endpoint::clone(endpoint);
    assert_eq!((&endpoint.url, &endpoint.group), (&url, &group()));
    assert!((1..=4).contains(&endpoint.events.len()));
    errand.done(Done::Endpoints(Some(EndpointsDone::Made)));
    let made = errand.answered();
    assert_eq!(made.status, 201);
    assert_eq!(object(&made.body)["secret"], endpoint.secret.reveal());

    let mut read = Errand::begin("GET", &format!("/v1/webhooks/endpoints/{}", endpoint.id), b"");
    read.done(listed(vec![endpoint.clone()]));
    let shown = read.answered();
    let mut made = object(&made.body);
    made.as_object_mut().expect("an object").remove("secret");
    assert_eq!((shown.status, object(&shown.body)), (200, made));
}

fn update(body: &[u8]) {
    let before = Endpoint {
        id: EndpointId::parse("wh_1").expect("an id"),
        group: group(),
        url: "https://hooks.example.test/pay".into(),
        events: vec!["payment.completed".into()],
        active: true,
        secret: Secret::new(SECRET),
        description: Some("till 4".into()),
        metadata: None,
        created_at: Wall::default(),
        updated_at: Wall::default(),
    };
    let mut errand = Errand::begin("PUT", "/v1/webhooks/endpoints/wh_1", body);
    if errand.wants().is_none() {
        assert_eq!(errand.answered().status, 400);
        return;
    }
    errand.done(listed(vec![before.clone()]));
    if let Some(Call::Post(post)) = errand.wants() {
        assert_ne!(post.url, before.url, "only a move is looked at");
        pinged(post);
        errand.done(Done::Posted(Posted::Answered(204)));
    }
    let Some(Call::Endpoints { work: EndpointWork::Change(after), .. }) = errand.wants() else {
        panic!("nothing is stored: {:?}", errand.out)
    };
    assert_eq!((&after.id, &after.group, &after.secret), (&before.id, &before.group, &before.secret));
    errand.done(Done::Endpoints(Some(EndpointsDone::Made)));
    let shown = errand.answered();
    assert_eq!(shown.status, 200);
    assert!(object(&shown.body).get("secret").is_none(), "a secret is shown once");
}
