//! Webhook endpoints of the shops: they take an event, or answer 500, or hang up, or say nothing, as the dice fall; and
//! remember all they heard.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{
    Dialect, Digest, Endpoint, EndpointId, EndpointWork, GroupId, NetworkId, Opaque, OperationId, OperationRow,
    Outcome, PrincipalId, RequestKey, Secret, Target, Timestamp, Wall,
};
use serde_json::Value;
use store::{Inspect as _, KeptFilter, Sqlite, Stage, Store as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::common::crash::Dice;
use crate::stored;

/// Endpoints of each group.
const ENDPOINTS: usize = 2;
const EVENTS: [&str; 4] = ["payment.completed", "payment.failed", "payment.cancelled", "payment.timeout"];
/// When a payment is late, as the gateway is told.
pub(crate) const LATE: Duration = Duration::from_millis(500);
/// Longer than a gateway waits for an answer.
const TOO_LONG: Duration = Duration::from_secs(5);

/// One try, as its endpoint heard it.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) kind: String,
    pub(crate) event: String,
    pub(crate) status: String,
    pub(crate) body: String,
    /// It was answered with a 200, which may have been lost.
    pub(crate) taken: bool,
}

/// By endpoint and transaction, in the order they came.
type Heard = BTreeMap<(String, String), Vec<Post>>;

#[derive(Clone, Default)]
pub(crate) struct Receiver {
    heard: Arc<Mutex<Heard>>,
}

impl Receiver {
    /// Listens, and gives each group its endpoints.
    pub(crate) async fn open(data: &Path, groups: usize, mut dice: Dice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut store = Sqlite::open(data).unwrap();
        for (group, number) in (0..groups).flat_map(|group| (0..ENDPOINTS).map(move |number| (group, number))) {
            let name = format!("wh_{group}_{number}");
            let group = GroupId::of(Dialect::Modulus, &format!("store-{group}")).unwrap();
            let endpoint = Endpoint {
                id: EndpointId::parse(&name).unwrap(),
                group: group.clone(),
                url: format!("{base}/{name}").into(),
                events: EVENTS.map(Into::into).into(),
                active: true,
                secret: Secret::new("whsec_crash"),
                description: None,
                metadata: None,
                created_at: Wall::default(),
                updated_at: Wall::default(),
            };
            store.endpoints(&group, &EndpointWork::Add { endpoint: Box::new(endpoint), most: ENDPOINTS }).unwrap();
        }
        let receiver = Self::default();
        let hears = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hears.clone().serve(stream, dice.split()));
            }
        });
        receiver
    }

    /// One call on its connection. A gateway that was killed hangs up in the middle.
    async fn serve(self, mut stream: TcpStream, mut dice: Dice) {
        let Some((path, body)) = request(&mut stream).await else { return };
        let fate = dice.roll(10);
        let taken = fate < 6;
        let value: Value = serde_json::from_str(&body).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = (path.trim_start_matches('/').to_owned(), text(&value["data"]["transactionId"]));
        let (kind, event) = (text(&value["eventType"]), text(&value["eventId"]));
        let post = Post { kind, event, status: text(&value["data"]["status"]), body, taken };
        self.heard.lock().unwrap().entry(key).or_default().push(post);
        // Whoever called may be gone.
        let _ = match fate {
            0..6 => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await,
            6..8 => stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n").await,
            8 => Ok(()),
            _ => {
                tokio::time::sleep(TOO_LONG).await;
                Ok(())
            }
        };
    }

    /// What no endpoint may have heard of these payments.
    pub(crate) fn check(&self, rows: &[OperationRow]) {
        let payments: BTreeMap<&str, &OperationRow> =
            rows.iter().filter(|row| row.about.is_none()).map(|row| (row.key.as_str(), row)).collect();
        for ((endpoint, id), posts) in &*self.heard.lock().unwrap() {
            let row = payments.get(id.as_str()).unwrap_or_else(|| panic!("{id} is not in the ledger: {posts:?}"));
            assert!(endpoint[3..].starts_with(&row.group.name()[6..]), "{endpoint} is not of {}", row.group.name());
            agrees(id, posts, row);
        }
    }

    /// Nothing is under way any more: every endpoint of its group took the outcome of every payment that wanted it.
    pub(crate) fn settled(&self, rows: &[OperationRow]) {
        let heard = self.heard.lock().unwrap();
        for row in rows.iter().filter(|row| *row.kind == *"payment_hook") {
            for number in 0..ENDPOINTS {
                let endpoint = format!("wh_{}_{number}", &row.group.name()[6..]);
                let posts = heard.get(&(endpoint.clone(), row.key.to_string()));
                let took = |post: &Post| post.taken && post.kind != "payment.timeout";
                assert!(
                    posts.is_some_and(|posts| posts.iter().any(took)),
                    "{endpoint} was not told of {row:?}: {posts:?}"
                );
            }
        }
    }

    /// How much was told, tried again and told twice.
    pub(crate) fn figures(&self) {
        let heard = self.heard.lock().unwrap();
        let posts = || heard.values().flatten();
        let events = posts().map(|post| &post.event).collect::<BTreeSet<_>>().len();
        let timeouts = posts().filter(|post| post.kind == "payment.timeout").count();
        let again = heard.values().filter(|posts| {
            let taken: Vec<&str> = posts.iter().filter(|post| post.taken).map(|post| &*post.event).collect();
            taken.iter().collect::<BTreeSet<_>>().len() < taken.len()
        });
        let again = again.count();
        println!("{events} events, {} tries, {timeouts} of time-outs, {again} taken twice", posts().count());
        assert!(events > 100 && timeouts > 0, "too little was told to prove anything");
    }
}

/// Whether everything was told that is to be, as the store has it.
pub(crate) fn is_quiet(data: &Path) -> bool {
    let waits = |stage| !matches!(stage, Stage::Delivered);
    let kept = Sqlite::attach(data).unwrap().kept(0, usize::MAX >> 1, &KeptFilter::default()).unwrap();
    !kept.iter().any(|kept| waits(kept.stage))
}

/// What one endpoint heard of one payment: in order, each event under one id in the same bytes, and nothing that the
/// ledger does not say.
pub(crate) fn agrees(id: &str, posts: &[Post], row: &OperationRow) {
    let why = || format!("{id}: {posts:#?} and {row:?}");
    assert_eq!(&*row.kind, "payment_hook", "{}", why());
    let (late, ended): (Vec<&Post>, Vec<&Post>) = posts.iter().partition(|post| post.kind == "payment.timeout");
    for posts in [&late, &ended] {
        let told = |post: &Post| (post.kind.clone(), post.event.clone(), post.body.clone());
        let same = |post: &&Post| told(post) == told(posts[0]);
        assert!(posts.iter().all(same), "{}", why());
    }
    let first_end = posts.iter().position(|post| post.kind != "payment.timeout");
    if let Some(first_end) = first_end {
        let before = &posts[..first_end];
        assert_eq!(before.len(), late.len(), "an end comes after everything else: {}", why());
        // An outcome that was decided in time takes back a time-out that went out before it was stored.
        let ended_at = row.outcome.as_ref().map(|(_, at)| *at);
        let was_in_time = ended_at.is_some_and(|at| at < row.accepted_at.after(LATE));
        assert!(late.is_empty() || was_in_time || late.iter().any(|post| post.taken), "{}", why());
        let post = ended[0];
        let outcome = stored(row).map(|(status, _)| status);
        let kind = match post.kind.as_str() {
            "payment.completed" => "SUCCESS",
            "payment.cancelled" => "CANCELLED",
            _ => "FAILED",
        };
        assert_eq!((Some(kind), Some(post.status.as_str())), (outcome, outcome), "{}", why());
    }
}

/// Path and body of a request; none when it ends early.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut heard = Vec::new();
    loop {
        if let Some(head) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8(heard[..head].to_vec()).unwrap();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if heard.len() - head - 4 == length.parse::<usize>().unwrap() {
                let path = text.split(' ').nth(1).unwrap().to_owned();
                return Some((path, String::from_utf8(heard.split_off(head + 4)).unwrap()));
            }
        }
        if stream.read_buf(&mut heard).await.ok()? == 0 {
            return None;
        }
    }
}

#[test]
fn a_lie_to_an_endpoint_is_noticed() {
    let completed = Outcome::Completed { body: Opaque::from_static(b"{\"status\":\"SUCCESS\"}") };
    let row = OperationRow {
        id: OperationId::from_number(1),
        group: GroupId::of(Dialect::Modulus, "store-0").unwrap(),
        network: NetworkId::parse("default").unwrap(),
        requester: PrincipalId::parse("till").unwrap(),
        requester_name: "till".into(),
        dialect: Dialect::Modulus,
        kind: "payment_hook".into(),
        key: RequestKey::parse("K-1").unwrap(),
        body: Digest::of(b"asked"),
        target: Target::AnyOfGroup,
        accepted_at: Timestamp::default(),
        deliver_by: None,
        answer_by: Timestamp::default(),
        request: Opaque::new(),
        memo: Opaque::new(),
        outcome: Some((completed, Timestamp::default().after(LATE))),
        about: None,
        late: None,
        compensation: None,
    };
    let post = |kind: &str, event: &str, status: &str, taken| Post {
        kind: format!("payment.{kind}"),
        event: event.to_owned(),
        status: status.to_owned(),
        body: event.to_owned(),
        taken,
    };
    let is_noticed = |posts: &[Post]| std::panic::catch_unwind(|| agrees("K-1", posts, &row)).is_err();
    let (late, missed) = (post("timeout", "a", "TIMEOUT", true), post("timeout", "a", "TIMEOUT", false));
    let end = post("completed", "b", "SUCCESS", true);
    assert!(!is_noticed(&[missed.clone(), late.clone(), late.clone(), end.clone(), end.clone()]));
    assert!(is_noticed(&[end.clone(), late.clone()]), "the end came first");
    assert!(is_noticed(&[missed, end.clone()]), "the end did not wait");
    assert!(is_noticed(&[end.clone(), post("completed", "c", "SUCCESS", true)]), "told under two ids");
    assert!(is_noticed(&[end, post("failed", "b", "FAILED", true)]), "told two ends");
    assert!(is_noticed(&[post("failed", "b", "FAILED", true)]), "not what the ledger says");
}
