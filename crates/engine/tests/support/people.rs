//! Who comes and what they ask for, with the values most stories want.

use std::sync::Arc;
use std::time::Duration;

use model::{
    Absent, Admit, Audience, Capacity, Compensation, CredentialId, DeviceId, Dialect, Digest, Durability, Fits, Hears,
    Late, NetworkId, Opaque, PerformerLost, Permissions, Principal, PrincipalId, Reoffer, Repeat, RequestKey,
    RequesterLost, Role, Rules, Submit, Takeover, Target, Timestamp, Window,
};

use super::{bytes, group, s};

/// Somebody who wants in.
#[derive(Clone)]
pub(crate) struct Person(Admit);

/// A requester of that principal; many sessions may be in at once.
pub(crate) fn requester(principal: &str) -> Person {
    person(principal, Role::Requester, None)
}

/// One call of that requester: a session that hears only what it waits for itself.
pub(crate) fn caller(principal: &str) -> Person {
    let mut person = requester(principal);
    person.0.hears = Hears::Own;
    person
}

/// A performer that has no device id.
pub(crate) fn nameless(name: &str) -> Person {
    person(name, Role::Performer, None)
}

/// Somebody who looks after the group.
pub(crate) fn admin(principal: &str) -> Person {
    person(principal, Role::Admin, None)
}

/// The performer that is that device, without grace.
pub(crate) fn performer(name: &str) -> Person {
    person(name, Role::Performer, Some(device(name)))
}

fn person(name: &str, role: Role, device: Option<DeviceId>) -> Person {
    let principal = Principal {
        id: id(name),
        dialect: Dialect::Boop,
        network: NetworkId::parse("town").expect("a good name"),
        group: group(),
        partition: model::Partition::of(&group()),
        role,
        device: device.clone(),
        credential: CredentialId::parse(name).expect("a good name"),
        name: "The Shop".into(),
        permissions: Permissions::All,
    };
    Person(Admit {
        principal: Arc::new(principal),
        role,
        device,
        facts: Opaque::new(),
        hears: Hears::Principal,
        single: None,
        takeover: Takeover::NewestWins,
        grace: Duration::ZERO,
        windows: Vec::new(),
    })
}

impl Person {
    /// Only one session may hold the name.
    pub(crate) fn single(mut self, name: &str) -> Self {
        self.0.single = Some(name.into());
        self
    }

    /// The session that is there stays.
    pub(crate) fn stays(mut self) -> Self {
        self.0.takeover = Takeover::IncumbentStays;
        self
    }

    /// So long it counts as away afterwards.
    pub(crate) fn grace(mut self, seconds: u64) -> Self {
        self.0.grace = s(seconds);
        self
    }

    /// The dialect wants to show this of its device.
    pub(crate) fn facts(mut self, facts: &str) -> Self {
        self.0.facts = bytes(facts);
        self
    }

    pub(crate) fn windows(mut self, windows: Vec<Window>) -> Self {
        self.0.windows = windows;
        self
    }

    /// In another group than everybody else.
    pub(crate) fn of_group(mut self, name: &str) -> Self {
        let group = model::GroupId::parse(name).expect("a good name");
        self.0.principal = Arc::new(Principal { group, ..(*self.0.principal).clone() });
        self
    }

    pub(super) fn admit(self) -> Admit {
        self.0
    }
}

/// A piece of work somebody asks for.
#[derive(Clone)]
pub(crate) struct Work {
    key: String,
    body: String,
    kind: Box<str>,
    target: Target,
    rules: Rules,
    deliver_in: Option<Duration>,
    answer_in: Duration,
}

/// Offered to everybody at once, waits for who is absent, goes on whoever leaves, remembered and owed a minute.
const fn rules() -> Rules {
    Rules {
        capacity: Capacity::Many(10),
        absent: Absent::Wait,
        performer_lost: PerformerLost::OthersGoOn,
        requester_lost: RequesterLost::GoOn,
        repeat: Repeat::Refuse,
        reoffer: Reoffer::OnReturn,
        fits: Fits::ANYTHING,
        late: Late::Drop,
        audience: Audience::Principal,
        durability: Durability::Durable,
        remember: s(60),
        owed_for: s(60),
        owed_most: 3,
    }
}

/// A payment: to one terminal that does one at a time, held for it ten seconds, asked about when it is back, and undone
/// when it was done after its end.
pub(crate) fn payment(key: &str) -> Work {
    let undo = Rules {
        capacity: Capacity::Many(64),
        absent: Absent::Wait,
        repeat: Repeat::Run,
        reoffer: Reoffer::Every { pause: s(30), until: s(100) },
        late: Late::Record,
        ..rules()
    };
    let compensation = Compensation { kind: "undo".into(), rules: Arc::new(undo), answer_within: s(100) };
    Work::new(key).device("d1").rules(|rules| {
        rules.capacity = Capacity::Busy;
        rules.absent = Absent::Refuse;
        rules.performer_lost = PerformerLost::Hold(s(10));
        rules.repeat = Repeat::Join;
        rules.reoffer = Reoffer::Inquire { times: 3, pause: s(1) };
        rules.fits = Fits(|_, done| done != b"other");
        rules.late = Late::Compensate(Arc::new(compensation));
    })
}

impl Work {
    /// For any of the group, to be answered within thirty seconds.
    pub(crate) fn new(key: &str) -> Self {
        Self {
            key: key.into(),
            body: key.into(),
            kind: "scan".into(),
            target: Target::AnyOfGroup,
            rules: rules(),
            deliver_in: None,
            answer_in: s(30),
        }
    }

    pub(crate) fn to(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// For this device only.
    pub(crate) fn device(self, name: &str) -> Self {
        self.to(Target::Device(device(name)))
    }

    pub(crate) fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn kind(mut self, kind: &str) -> Self {
        self.kind = kind.into();
        self
    }

    pub(crate) fn deliver_in(mut self, pause: Duration) -> Self {
        self.deliver_in = Some(pause);
        self
    }

    pub(crate) fn answer_in(mut self, pause: Duration) -> Self {
        self.answer_in = pause;
        self
    }

    pub(super) fn submit(self, now: Timestamp) -> Submit {
        Submit {
            key: key(&self.key),
            kind: self.kind,
            body: Digest::of(self.body.as_bytes()),
            target: self.target,
            rules: Arc::new(self.rules),
            deliver_by: self.deliver_in.map(|pause| now.after(pause)),
            answer_by: now.after(self.answer_in),
            request: bytes(&format!("do {}", self.key)),
            memo: bytes("memo"),
        }
    }
}

pub(crate) fn key(text: &str) -> RequestKey {
    RequestKey::parse(text).expect("a good key")
}

fn id(text: &str) -> PrincipalId {
    PrincipalId::parse(text).expect("a good name")
}

fn device(text: &str) -> DeviceId {
    DeviceId::parse(text).expect("a good name")
}
