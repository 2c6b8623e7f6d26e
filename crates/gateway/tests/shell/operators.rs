//! The operators' API over real sockets, with real nodes and peers behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Gateway, MintError, Minted, NewKey, Running, Scope, Settings, Storage};
use model::{
    Credential, CredentialId, CredentialKind, DeviceId, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Role,
    Secret, Wall,
};
use serde_json::Value;
use store::{Memory, Sqlite, Store};

use crate::peer::{Answer, Peer};
use crate::{eventually, plan};

/// Two shops, each with a vendor and a scanner, and operators.
struct House {
    running: Running,
}

const SHOPS: [&str; 2] = ["north", "south"];

impl House {
    fn open() -> Self {
        let store: Box<dyn Store> = Box::new(Memory::new());
        Self::with(store.into(), |_| {})
    }

    /// A house with these settings, on a store that may hold something already.
    fn with(mut storage: Storage, change: impl FnOnce(&mut Settings)) -> Self {
        let mut keys = vec![operator("all", GroupId::every(), Permissions::All)];
        for shop in SHOPS {
            let group = GroupId::of(Dialect::Boop, shop).unwrap();
            keys.push(key(shop, Role::Requester, group.clone(), Some(shop), Permissions::All));
            keys.push(key(&format!("{shop}-scanner"), Role::Performer, group.clone(), Some("scan"), Permissions::All));
            keys.push(operator(&format!("{shop}-operator"), group, Permissions::All));
        }
        for scope in Scope::ALL {
            let only = Permissions::Only([scope.name().into()].into());
            keys.push(operator(scope.name(), GroupId::every(), only));
        }
        if storage.store.credentials().unwrap().is_empty() {
            storage.store.add_credentials(&keys).unwrap();
        }
        let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
        gateway.settings.cores = 2;
        gateway.settings.close_wait = Duration::from_millis(300);
        gateway.mint = Some(Arc::new(mint));
        change(&mut gateway.settings);
        let running = gateway.start(storage, plan()).unwrap();
        assert!(running.wait_ready(Duration::from_secs(5)));
        Self { running }
    }

    fn address(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    fn vendor(&self, shop: &str) -> Peer {
        let mut peer = Peer::open(self.address(), "/ws/vendor");
        peer.say(&format!(r#"{{"type":"authenticate","vendor_id":"{shop}","api_key":"secret of {shop}"}}"#));
        assert!(peer.hear().contains("authenticated"));
        peer
    }

    fn scanner(&self, shop: &str) -> Peer {
        let mut peer = Peer::open(self.address(), "/ws/pvs");
        let key = format!("secret of {shop}-scanner");
        peer.say(&format!(r#"{{"type":"authenticate","device_id":"{shop}-scanner","device_key":"{key}"}}"#));
        assert!(peer.hear().contains("authenticated"));
        peer
    }

    /// A vendor with a scanner that was shown its work.
    fn busy(&self, shop: &str, context: &str) -> (Peer, Peer) {
        let (mut vendor, mut scanner) = (self.vendor(shop), self.scanner(shop));
        let kind = r#"{"type":"entrance"}"#;
        vendor.say(&format!(r#"{{"type":"create_context","context_id":"{context}","requirements":{kind}}}"#));
        assert!(scanner.hear().contains("context_open"));
        (vendor, scanner)
    }

    fn ask(&self, method: &str, path: &str, who: &str) -> (u16, Value) {
        let answer = self.answer(method, path, &format!("Authorization: Bearer secret of {who}\r\n"), "");
        let body = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        (answer.status, body)
    }

    fn get(&self, path: &str, who: &str) -> Value {
        let (status, body) = self.ask("GET", path, who);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn answer(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut peer = Peer::connect(self.address());
        let length = body.len();
        peer.send(
            format!(
                "{method} /tillgate/v1{path} HTTP/1.1\r\nHost: gate\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        );
        peer.answer()
    }

    fn listen(&self, query: &str, who: &str, last: Option<&str>) -> Peer {
        let mut peer = Peer::connect(self.address());
        let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        let request = format!(
            "GET /tillgate/v1/events{query} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer secret of {who}\r\n{last}\r\n"
        );
        peer.send(request.as_bytes());
        let answer = peer.answer();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")), "{answer:?}");
        peer
    }
}

fn key(name: &str, role: Role, group: GroupId, subject: Option<&str>, permissions: Permissions) -> Credential {
    let device = (role == Role::Performer).then(|| DeviceId::parse(name).unwrap());
    Credential {
        id: CredentialId::parse(&format!("key-of-{name}")).unwrap(),
        dialect: Dialect::Boop,
        role,
        network: NetworkId::parse("network").unwrap(),
        group,
        principal: PrincipalId::parse(name).unwrap(),
        subject: subject.map(|_| name.into()),
        device,
        name: name.into(),
        secret: CredentialKind::Digest(Secret::new(&format!("secret of {name}")).digest()),
        permissions,
        certificate: None,
        created_at: Wall::from_millis(0),
        expires_at: None,
        revoked_at: None,
    }
}

fn operator(name: &str, group: GroupId, permissions: Permissions) -> Credential {
    key(name, Role::Admin, group, None, permissions)
}

fn mint(new: &NewKey, _: Wall) -> Result<Minted, MintError> {
    if new.dialect != Dialect::Boop {
        return Err(MintError::Wrong("only boop here".to_owned()));
    }
    let group = GroupId::of(new.dialect, &new.group).map_err(|error| MintError::Wrong(error.to_string()))?;
    let name = new.name.as_deref().unwrap_or("made");
    let credential = key(name, new.role, group, Some(name), Permissions::All);
    Ok(Minted { credential, secrets: vec![("api_key", Secret::new(&format!("secret of {name}")))] })
}

/// The one operation there is.
fn only(list: &Value) -> &Value {
    let operations = list["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 1, "{list}");
    &operations[0]
}

#[test]
fn nothing_is_told_without_an_operators_key() {
    let house = House::open();
    for headers in ["", "Authorization: Basic eDp5\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer guess\r\n"]
    {
        for path in ["/operations", "/openapi.json", "/keys", "/nowhere"] {
            let answer = house.answer("GET", path, headers, "");
            assert!(matches!(answer.status, 401 | 429), "{answer:?}");
            assert_eq!(answer.header("connection"), Some("close"), "who guesses on is admitted anew");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(body["code"].is_string() && body["status"] == answer.status, "{body}");
        }
    }
    let (status, body) = house.ask("GET", "/operations", "north");
    assert_eq!((status, &body["code"]), (401, &"unauthorized".into()), "a vendor's key has a name beside it");
}

#[test]
fn guessers_are_held_off_and_operators_behind_the_same_address_are_not() {
    let house = House::open();
    let statuses: Vec<u16> = (0..12).map(|_| house.ask("GET", "/operations", "nobody").0).collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [429; 2]);
    let answer = house.answer("GET", "/operations", "Authorization: Bearer x\r\n", "");
    assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok()), "{answer:?}");
    house.get("/operations", "all");
}

#[test]
fn every_scope_alone_allows_its_own_and_nothing_else() {
    let house = House::open();
    let asked = [
        (Scope::ReadOperations, "GET", "/operations"),
        (Scope::ReadOperations, "GET", "/operations/1"),
        (Scope::ReadOperations, "GET", "/groups/boop/north/operations/k"),
        (Scope::CancelOperations, "POST", "/operations/1/cancel"),
        (Scope::ReadDevices, "GET", "/devices"),
        (Scope::ReadSessions, "GET", "/sessions"),
        (Scope::CloseSessions, "DELETE", "/sessions/1-0-1"),
        (Scope::ReadKeys, "GET", "/keys"),
        (Scope::WriteKeys, "POST", "/keys"),
        (Scope::WriteKeys, "DELETE", "/keys/none"),
    ];
    for (wanted, method, path) in asked {
        for scope in Scope::ALL {
            let (status, body) = house.ask(method, path, scope.name());
            assert_eq!(status != 403, scope == wanted, "{method} {path} with {}: {status} {body}", scope.name());
        }
    }
    for scope in Scope::ALL.into_iter().filter(|scope| *scope != Scope::ReadEvents) {
        assert_eq!(house.ask("GET", "/events", scope.name()).0, 403);
    }
    house.listen("", Scope::ReadEvents.name(), None).hear_until("retry: 2000");
}

#[test]
fn work_is_seen_waited_for_and_taken_back() {
    let house = House::open();
    let (mut vendor, mut scanner) = house.busy("north", "c-1");
    let list = house.get("/operations?dialect=boop&group=north&state=running", "all");
    let seen = only(&list);
    assert_eq!((&seen["key"], &seen["state"], &seen["requester"]), (&"c-1".into(), &"running".into(), &"north".into()));
    let id = seen["id"].as_str().unwrap();
    assert_eq!(house.get(&format!("/operations/{id}?wait=1s"), "all")["state"], "running", "the wait is over");
    assert_eq!(house.get("/groups/boop/north/operations/c-1", "north-operator")["id"], id);

    let path = format!("/operations/{id}?wait=30s");
    let waited = std::thread::scope(|scope| {
        let waits = scope.spawn(|| house.get(&path, "all"));
        let (status, cancelled) = house.ask("POST", &format!("/operations/{id}/cancel"), "all");
        assert_eq!((status, &cancelled["state"]), (200, &"cancelled".into()), "{cancelled}");
        assert_eq!(cancelled["certainty"], "unknown");
        waits.join().unwrap()
    });
    assert_eq!(waited["state"], "cancelled");
    assert!(vendor.hear().contains("c-1"), "the vendor hears the outcome");
    assert!(scanner.hear().contains("context_closed"));
    let (status, body) = house.ask("POST", &format!("/operations/{id}/cancel"), "all");
    assert_eq!(status, 200, "doing it twice is the same: {body}");
}

#[test]
fn foreign_groups_do_not_exist() {
    let house = House::open();
    let (_vendor, _scanner) = house.busy("north", "c-1");
    let id = only(&house.get("/operations", "all"))["id"].as_str().unwrap().to_owned();
    let session = house.get("/sessions", "all")["sessions"][0]["id"].as_str().unwrap().to_owned();
    let south = "south-operator";
    for (list, word) in [("/operations", "operations"), ("/devices", "devices"), ("/sessions", "sessions")] {
        for query in ["", "?dialect=boop", "?dialect=boop&group=north", "?dialect=modulus"] {
            let found = house.get(&format!("{list}{query}"), south);
            assert_eq!(found[word].as_array().unwrap().len(), 0, "{found}");
        }
    }
    for key in house.get("/keys", south)["keys"].as_array().unwrap() {
        assert_eq!(key["group"], "south");
    }
    for (method, path) in [
        ("GET", format!("/operations/{id}")),
        ("POST", format!("/operations/{id}/cancel")),
        ("GET", "/groups/boop/north/operations/c-1".to_owned()),
        ("DELETE", format!("/sessions/{session}")),
        ("DELETE", "/keys/key-of-north".to_owned()),
    ] {
        assert_eq!(house.ask(method, &path, south).0, 404, "{method} {path}");
    }
    assert_eq!(house.ask("GET", "/events?dialect=boop&group=north", south).0, 403);
    assert_eq!(house.get(&format!("/operations/{id}"), "north-operator")["state"], "running");
}

#[test]
fn devices_and_sessions_are_listed_page_by_page_and_a_session_is_closed_in_its_own_words() {
    let house = House::open();
    let mut scanners: Vec<Peer> = SHOPS.iter().map(|shop| house.scanner(shop)).collect();
    let first = house.get("/devices?limit=1", "all");
    // The order of groups is any, and always the same.
    assert_eq!(
        (&first["devices"][0]["device"], &first["devices"][0]["presence"]),
        (&"south-scanner".into(), &"online".into())
    );
    let cursor = first["next"].as_str().unwrap().replace('\t', "%09");
    let second = house.get(&format!("/devices?limit=1&cursor={cursor}"), "all");
    assert_eq!((&second["devices"][0]["group"], &second["next"]), (&"north".into(), &Value::Null));

    let mut ids = Vec::new();
    let mut next = String::new();
    loop {
        let page = house.get(&format!("/sessions?limit=1{next}"), "all");
        ids.push(page["sessions"][0].clone());
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(ids.len(), 2);
    let north = ids.iter().find(|session| session["group"] == "north").unwrap();
    assert_eq!(
        (&north["device"], &north["role"], &north["peer"]),
        (&"north-scanner".into(), &"performer".into(), &"127.0.0.1".into())
    );
    let path = format!("/sessions/{}", north["id"].as_str().unwrap());
    let (status, closed) = house.ask("DELETE", &path, "all");
    assert_eq!((status, &closed["reason"]), (200, &"closed_by_operator".into()));
    assert!(scanners[0].hear().contains("Closed by an operator"));
    assert_eq!(scanners[0].hear_close(), (1013, "closed_by_operator".to_owned()));
    assert_eq!(house.ask("DELETE", &path, "all").0, 404);
    assert_eq!(house.get("/sessions", "all")["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn keys_are_made_and_revoked() {
    let house = House::open();
    let json = "Authorization: Bearer secret of north-operator\r\nContent-Type: application/json\r\n";
    let wish = r#"{"dialect":"boop","role":"performer","group":"north","device":"d","name":"new-scanner"}"#;
    let made = house.answer("POST", "/keys", json, wish);
    assert_eq!(made.status, 201, "{made:?}");
    let made: Value = serde_json::from_str(&made.body).unwrap();
    assert_eq!(made["secrets"]["api_key"], "secret of new-scanner");
    for (wish, status) in [
        (wish.replace("north", "south"), 403),
        (wish.replace("performer", "admin"), 400),
        (wish.replace("boop", "modulus"), 403),
        (wish.replace("boop", "morse"), 400),
        (wish.replace("\"name\"", "\"nome\""), 422),
        (wish.replace('}', r#","expires_at":"yesterday"}"#), 400),
        ("[".to_owned(), 400),
        ("x".repeat(20_000), 413),
    ] {
        assert_eq!(house.answer("POST", "/keys", json, &wish).status, status, "{wish:.90}");
    }
    let plain = "Authorization: Bearer secret of north-operator\r\n";
    assert_eq!(house.answer("POST", "/keys", plain, wish).status, 415);

    let mut vendor = house.vendor("north");
    for _ in 0..2 {
        let (status, revoked) = house.ask("DELETE", "/keys/key-of-north", "north-operator");
        assert_eq!((status, &revoked["state"]), (200, &"revoked".into()));
    }
    assert!(vendor.hear().contains("INVALID_CREDENTIALS"), "its sessions end");
    let mut refused = Peer::open(house.address(), "/ws/vendor");
    refused.say(r#"{"type":"authenticate","vendor_id":"north","api_key":"secret of north"}"#);
    assert!(refused.hear().contains("INVALID_CREDENTIALS"), "no core lets it in");
    assert_eq!(house.ask("GET", "/keys?limit=2", "all").1["keys"].as_array().unwrap().len(), 2);
    assert_eq!(house.ask("DELETE", "/keys/key-of-all", "all").0, 200, "even its own");
    assert_eq!(house.ask("GET", "/keys", "all").0, 401);
}

#[test]
fn a_key_opens_and_closes_doors_as_soon_as_the_answer_is_there() {
    let house = House::open();
    let json = "Authorization: Bearer secret of all\r\nContent-Type: application/json\r\n";
    for number in 0..20 {
        let name = format!("scanner-{number}");
        let wish = format!(r#"{{"dialect":"boop","role":"performer","group":"north","name":"{name}"}}"#);
        assert_eq!(house.answer("POST", "/keys", json, &wish).status, 201);
        let hello = format!(r#"{{"type":"authenticate","device_id":"{name}","device_key":"secret of {name}"}}"#);
        let enter = || {
            let mut peer = Peer::open(house.address(), "/ws/pvs");
            peer.say(&hello);
            peer.hear()
        };
        assert!(enter().contains("authenticated"), "{name} is let in");
        assert_eq!(house.ask("DELETE", &format!("/keys/key-of-{name}"), "all").0, 200);
        assert!(enter().contains("INVALID_CREDENTIALS"), "{name} is let in no more");
    }
}

#[test]
fn places_are_bounded_and_free_again() {
    let store: Box<dyn Store> = Box::new(Memory::new());
    let house = House::with(store.into(), |settings| {
        settings.operator_requests_most = 1;
        settings.operator_streams_most = 2;
        settings.operator_wait_most = Duration::from_secs(7);
    });
    let (_vendor, _scanner) = house.busy("north", "c-1");
    let id = only(&house.get("/operations", "all"))["id"].as_str().unwrap().to_owned();
    assert_eq!(house.ask("GET", &format!("/operations/{id}?wait=8s"), "all").0, 400);

    let metric = |line: &str| {
        let mut peer = Peer::connect(house.address());
        peer.send(b"GET /metrics HTTP/1.1\r\nHost: gate\r\n\r\n");
        peer.answer().body.lines().any(|found| found == line)
    };
    let mut waits = Peer::connect(house.address());
    let key = "Authorization: Bearer secret of all";
    waits.send(format!("GET /tillgate/v1/operations/{id}?wait=7s HTTP/1.1\r\nHost: gate\r\n{key}\r\n\r\n").as_bytes());
    eventually("it waits", || metric("tillgate_operator_requests_open 1"));
    assert_eq!(house.ask("GET", "/operations", "all").0, 503, "there is room for one");
    drop(waits);
    eventually("whoever hangs up makes room", || house.ask("GET", "/operations", "all").0 == 200);

    let listeners = [(); 2].map(|()| house.listen("", "all", None));
    let answer = house.answer("GET", "/events", &format!("{key}\r\n"), "");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(metric("tillgate_operator_streams_open 2"));
    drop(listeners);
    eventually("who has gone is not counted", || metric("tillgate_operator_streams_open 0"));
    assert!(metric("tillgate_operator_streams_ended_total{reason=\"gone\"} 2"));
    assert!(metric("tillgate_operator_requests_open 0"));
}

#[test]
fn a_restart_keeps_what_is_stored_and_tells_listeners_of_the_gap() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let storage = Storage::sqlite(Sqlite::open(folder.path()).unwrap()).unwrap();
        House::with(storage, |settings| settings.operator_events_kept = 5)
    };
    let house = open();
    let mut all = house.listen("", "all", None);
    let (vendor, scanner) = house.busy("north", "c-1");
    let id = only(&house.get("/operations?state=running", "all"))["id"].as_str().unwrap().to_owned();
    let session = house.get("/sessions", "all")["sessions"][0]["id"].as_str().unwrap().to_owned();
    let heard = all.hear_until("event: accepted");
    let last = heard.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop((vendor, scanner, house));

    let house = open();
    house.listen("", "all", Some(&last)).hear_until("event: gap\ndata: {}");
    assert_eq!(house.ask("DELETE", &format!("/sessions/{session}"), "all").0, 404);
    let device = &house.get("/devices", "all")["devices"][0];
    assert_eq!((&device["device"], &device["presence"]), (&"north-scanner".into(), &"offline".into()));
    let seen = house.get(&format!("/operations/{id}?wait=0s"), "north-operator");
    assert_eq!((&seen["state"], &seen["key"]), (&"running".into(), &"c-1".into()));
    assert_eq!(house.ask("POST", &format!("/operations/{id}/cancel"), "north-operator").0, 200);
    assert!(house.vendor("north").hear().contains("Cancelled"), "its requester hears of it when it is back");
    for (state, count) in [("running", 0), ("cancelled", 1), ("completed", 0)] {
        let list = house.get(&format!("/operations?state={state}"), "all");
        assert_eq!(list["operations"].as_array().unwrap().len(), count, "{list}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let house = House::open();
    let long = "x".repeat(300);
    for path in [
        "/operations?limit=0",
        "/operations?limit=501",
        "/operations?limit=99999999999999999999",
        "/operations?limit=-1",
        "/operations?cursor=zz",
        "/operations?cursor=ffffffffffffffff",
        "/operations?since=yesterday",
        "/operations?state=odd",
        "/operations?dialect=morse",
        "/operations?group=north",
        "/operations?colour=red",
        "/operations?key=",
        "/operations/1?wait=61s",
        "/operations/1?wait=soon",
        "/devices?cursor=x",
        "/sessions?cursor=1-2-3",
        "/sessions?limit=1000000",
        "/keys?cursor=none",
        &format!("/operations?key={long}"),
        &format!("/operations?dialect=boop&group={long}"),
    ] {
        let (status, body) = house.ask("GET", path, "all");
        assert_eq!((status, &body["code"]), (400, &"bad_request".into()), "{path}: {body}");
    }
    for (method, path) in [
        ("GET", "/operations/zz"),
        ("GET", "/operations/ffffffffffffffffffff"),
        ("GET", "/operations/0"),
        ("GET", "/operations/01"),
        ("GET", "/groups/morse/north/operations/k"),
        ("GET", "/groups/boop/north/operations/%00"),
        ("POST", "/operations/7fffffffffffffff/cancel"),
        ("DELETE", "/sessions/0-ff-1"),
        ("DELETE", "/keys/%01"),
        ("GET", "/nowhere"),
        ("GET", ""),
    ] {
        assert_eq!(house.ask(method, path, "all").0, 404, "{method} {path}");
    }
    for (method, path) in [("PUT", "/operations"), ("POST", "/operations/1"), ("DELETE", "/devices")] {
        let answer = house.answer(method, path, "Authorization: Bearer secret of all\r\n", "");
        assert_eq!(answer.status, 405, "{answer:?}");
        assert!(answer.header("allow").is_some(), "{answer:?}");
    }
}

#[test]
fn events_are_heard_and_resumed_where_they_were_left() {
    let house = House::open();
    let mut all = house.listen("", "all", None);
    let start = all.hear_until("\n\n");
    let mut south = house.listen("", "south-operator", None);
    let _north = house.scanner("north");
    let online = all.hear_until("\n\n");
    assert!(online.contains("event: presence") && online.contains("north-scanner"), "{online}");
    let _south = house.scanner("south");
    let heard = south.hear_until("south-scanner");
    assert!(!heard.contains("north"), "{heard}");

    let id = |text: &str| text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let mut again = house.listen("", "all", Some(&id(&start)));
    let missed = again.hear_until("south-scanner");
    assert!(missed.contains("north-scanner") && !missed.contains("event: gap"), "{missed}");
    let mut later = house.listen("", "all", Some(&id(&online)));
    let missed = later.hear_until("south-scanner");
    assert!(!missed.contains("north-scanner"), "{missed}");
    for unknown in ["0-1", &format!("{}9999", id(&online))] {
        house.listen("", "all", Some(unknown)).hear_until("event: gap");
    }
    let bad = house.answer("GET", "/events", "Authorization: Bearer secret of all\r\nLast-Event-ID: x\r\n", "");
    assert_eq!(bad.status, 400);
}

#[test]
fn a_listener_whose_key_is_revoked_is_let_go() {
    let house = House::open();
    let mut south = house.listen("", "south-operator", None);
    assert_eq!(house.ask("DELETE", "/keys/key-of-south-operator", "all").0, 200);
    south.hear_until("event: end\ndata: {\"reason\":\"revoked\"}");
}

#[test]
fn a_drain_lets_listeners_go() {
    let House { running } = House::open();
    let house = House { running };
    let mut all = house.listen("", "all", None);
    all.hear_until("\n\n");
    let drained = std::thread::spawn(move || house.running.drain());
    all.hear_until("\"draining\"");
    assert_eq!(drained.join().unwrap().cut, 0);
}

#[test]
fn the_api_describes_itself() {
    let house = House::open();
    let document = house.get("/openapi.json", "all");
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), 10, "{paths:?}");
    for operation in document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
    {
        for status in ["400", "401", "403", "429", "503"] {
            assert!(operation["responses"][status].is_object(), "{status}: {operation}");
        }
    }
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
}
