//! People, shops and work to tell stories with.

use std::collections::BTreeSet;

use model::{
    Attribute, Commit, CommitError, Credential, CredentialId, CredentialKind, Currency, Debit, Decision, DeviceId,
    DeviceRow, Dialect, Digest, Fence, GroupId, MailRow, Member, MemberId, Money, NetworkId, Opaque, OperationId,
    OperationRow, Outcome, Partition, Permissions, PrincipalId, Question, RequestKey, Role, Secret, Settle, Settled,
    Side, Target, Timestamp, Wall, Write,
};

use crate::{Horizon, Inspect};

/// What a commit of one batch answers.
pub(crate) type Answer = Result<Vec<Settled>, CommitError>;

pub(crate) const START: u64 = 1_900_000_000_000;

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(START + 1_000 * seconds)
}

pub(crate) fn wall(seconds: u64) -> Wall {
    Wall::from_millis(START + 1_000 * seconds)
}

pub(crate) fn network() -> NetworkId {
    NetworkId::parse("palms").unwrap()
}

/// A shop; every number has a partition of its own up to 3.
pub(crate) fn shop(n: u64) -> GroupId {
    GroupId::parse(&format!("shop-{n}")).unwrap()
}

pub(crate) fn home(shop_number: u64) -> Partition {
    Partition::of(&shop(shop_number))
}

/// The id of the `n`th operation of a shop.
pub(crate) fn id(shop: u64, n: u64) -> OperationId {
    OperationId::next(home(shop), START + n, None)
}

pub(crate) fn key(text: &str) -> RequestKey {
    RequestKey::parse(text).unwrap()
}

/// The `n`th operation of a shop, accepted `n` seconds after the start.
pub(crate) fn work(shop_number: u64, n: u64) -> OperationRow {
    OperationRow {
        id: id(shop_number, n),
        group: shop(shop_number),
        network: network(),
        requester: PrincipalId::parse("till").unwrap(),
        requester_name: "Corner Shop".into(),
        dialect: Dialect::Boop,
        kind: "payment".into(),
        key: key(&format!("key-{n}")),
        body: Digest::of(b"asked"),
        target: Target::AnyOfGroup,
        accepted_at: at(n),
        deliver_by: None,
        answer_by: at(n + 30),
        request: Opaque::from_static(b"request"),
        memo: Opaque::from_static(b"memo"),
        outcome: None,
        about: None,
        late: None,
        compensation: None,
    }
}

/// The `n`th operation of a shop, which makes good for another of it.
pub(crate) fn good_for(shop: u64, n: u64, about: u64) -> OperationRow {
    OperationRow { about: Some(id(shop, about)), key: work(shop, about).key, kind: "void".into(), ..work(shop, n) }
}

pub(crate) fn late(shop: u64, n: u64, body: &str, seconds: u64) -> Write {
    Write::LateAnswer { operation: id(shop, n), body: Opaque::copy_from_slice(body.as_bytes()), at: at(seconds) }
}

pub(crate) fn accepted(shop: u64, n: u64) -> Write {
    Write::Accepted(Box::new(work(shop, n)))
}

pub(crate) fn completed(body: &str) -> Outcome {
    Outcome::Completed { body: Opaque::copy_from_slice(body.as_bytes()) }
}

pub(crate) fn declined(body: &str) -> Outcome {
    Outcome::Declined { body: Opaque::copy_from_slice(body.as_bytes()) }
}

pub(crate) fn ended(shop: u64, n: u64, outcome: Outcome) -> Write {
    Write::Ended { operation: id(shop, n), outcome, at: at(n + 1) }
}

pub(crate) fn mail(shop_number: u64, n: u64) -> MailRow {
    MailRow {
        operation: id(shop_number, n),
        group: shop(shop_number),
        principal: PrincipalId::parse("till").unwrap(),
        until: at(n + 60),
    }
}

pub(crate) fn device(shop_number: u64, name: &str, seconds: u64) -> DeviceRow {
    DeviceRow {
        group: shop(shop_number),
        device: DeviceId::parse(name).unwrap(),
        dialect: Dialect::Boop,
        last_seen_at: at(seconds),
    }
}

pub(crate) fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

/// A member with 100.00, recognised by `<name>-left` and `<name>-right`.
pub(crate) fn person(name: &str) -> Member {
    let email = Attribute {
        json: format!("\"{name}@example.com\"").into(),
        attested: true,
        sides: BTreeSet::from([Side::Left, Side::Right]),
    };
    let age = Attribute { json: "41".into(), attested: false, sides: BTreeSet::from([Side::Right]) };
    Member {
        id: MemberId::parse(name).unwrap(),
        network: network(),
        groups: None,
        attributes: [("email".into(), email), ("age".into(), age)].into(),
        balance: usd(10_000),
        subjects: vec![(format!("{name}-right").into(), Side::Right), (format!("{name}-left").into(), Side::Left)],
    }
}

pub(crate) fn credential(name: &str, seconds: u64) -> Credential {
    Credential {
        id: CredentialId::parse(name).unwrap(),
        dialect: Dialect::Boop,
        role: Role::Requester,
        network: network(),
        group: shop(1),
        principal: PrincipalId::parse("till").unwrap(),
        subject: None,
        device: None,
        name: "Corner Shop".into(),
        secret: CredentialKind::Digest(Digest::of(name.as_bytes())),
        certificate: None,
        permissions: Permissions::All,
        created_at: wall(seconds),
        expires_at: None,
        revoked_at: None,
    }
}

/// A credential whose holder signs with `<name>-secret`.
pub(crate) fn signing(name: &str, seconds: u64) -> Credential {
    let secret =
        CredentialKind::Signing { key: Digest::of(name.as_bytes()), secret: Secret::new(&format!("{name}-secret")) };
    Credential { secret, ..credential(name, seconds) }
}

/// A batch of a shop's partition.
pub(crate) fn batch(shop: u64, fence: Fence, writes: Vec<Write>) -> Commit {
    Commit { partition: home(shop), fence, batch: 1, writes, settles: Vec::new(), announces: Vec::new() }
}

/// An answer to the `n`th operation; [`service`] does what the evidence says.
pub(crate) fn settle(shop_number: u64, n: u64, subject: Option<&str>, evidence: &str) -> Settle {
    Settle {
        question: Question {
            operation: id(shop_number, n),
            key: key(&format!("key-{n}")),
            network: network(),
            group: shop(shop_number),
            request: Opaque::from_static(b"request"),
            memo: Opaque::from_static(b"memo"),
            evidence: Opaque::copy_from_slice(evidence.as_bytes()),
            attempt: 1,
            wall: wall(n + 2),
        },
        subject: subject.map(Into::into),
        decide: service,
        owed: Some(mail(shop_number, n)),
        at: at(n + 2),
    }
}

/// A batch of one answer.
pub(crate) fn answering(fence: Fence, settle: Settle) -> Commit {
    Commit {
        partition: settle.question.operation.partition(),
        fence,
        batch: 1,
        writes: vec![],
        settles: vec![settle],
        announces: vec![],
    }
}

/// A service that pays like a real one, or breaks the rules as told.
fn service(question: &Question, member: Option<&Member>) -> Decision {
    let evidence = std::str::from_utf8(&question.evidence).unwrap();
    let (what, amount) = evidence.split_once(' ').unwrap_or((evidence, "0"));
    let money = usd(amount.parse().unwrap());
    let of = |member: &Member, money| Some(Debit { member: member.id.clone(), money });
    let outcome = |outcome, debit| Decision { settled: Settled::Outcome(outcome), debit };
    match (what, member) {
        ("pay", None) => outcome(declined("nobody"), None),
        ("pay", Some(member)) if member.balance.minor < money.minor => outcome(declined("funds"), None),
        ("pay", Some(member)) => {
            outcome(completed(&format!("{} had {}", member.id, member.balance.minor)), of(member, money))
        }
        ("force", Some(member)) => outcome(completed("forced"), of(member, money)),
        ("euros", Some(member)) => {
            let currency = Currency::parse("EUR").unwrap();
            outcome(completed("euros"), of(member, Money { currency, ..money }))
        }
        ("stranger", _) => {
            let member = MemberId::parse("stranger").unwrap();
            outcome(completed("stranger"), Some(Debit { member, money }))
        }
        ("again", _) => Decision { settled: Settled::Again { note: Opaque::from_static(b"note") }, debit: None },
        ("again_for", Some(member)) => {
            let settled = Settled::Again { note: Opaque::from_static(b"note") };
            Decision { settled, debit: of(member, money) }
        }
        _ => panic!("a service that panics"),
    }
}

/// Takes the partitions of shops 1 to 3; the fence is the same for all.
pub(crate) fn own(store: &mut dyn Inspect) -> Fence {
    let loaded = store.load(&[home(1), home(2), home(3)], Horizon::at(at(0))).unwrap();
    let fence = loaded[0].fence;
    assert!(loaded.iter().all(|loaded| loaded.fence == fence));
    fence
}

/// Commits one batch and hears its answer.
pub(crate) fn commit(store: &mut dyn Inspect, commit: Commit) -> Answer {
    let mut answers = store.commit(&[commit]);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Commits writes of a shop that must succeed.
pub(crate) fn write(store: &mut dyn Inspect, shop: u64, fence: Fence, writes: Vec<Write>) {
    assert_eq!(commit(store, batch(shop, fence, writes)), Ok(vec![]));
}

/// The cause of a batch that was refused.
pub(crate) fn refused(answer: Answer) -> String {
    match answer {
        Err(CommitError::Unavailable(cause)) => cause.to_string(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Everything the trait shows, except fences.
pub(crate) fn everything(store: &dyn Inspect) -> String {
    let operations = store.operations(None, usize::MAX).unwrap();
    let accounts = store.accounts().unwrap();
    let mut text = format!("{operations:?}\n{accounts:?}\n{:?}\n", store.credentials().unwrap());
    for row in &operations {
        text += &format!(
            "{:?}\n",
            store.late_answers(row.id).unwrap().iter().map(|late| (&late.body, late.at)).collect::<Vec<_>>()
        );
    }
    for account in &accounts {
        let member = store.member(&account.network, &account.member).unwrap().unwrap();
        let json: Vec<&str> = member.attributes.values().map(|attribute| &*attribute.json).collect();
        text += &format!("{member:?} {json:?}\n");
    }
    for n in 1..=3 {
        text += &format!("{:?}\n", store.devices(&shop(n)).unwrap());
    }
    text
}
