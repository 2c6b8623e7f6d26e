//! What can happen, drawn from a seed: plain numbers that mean something whatever the world looks like by then,
//! so that any of them can be left out and the rest still plays.

use std::sync::Arc;
use std::time::Duration;

use model::{
    Absent, Audience, Capacity, Compensation, DeviceId, Durability, Epoch, Fits, Late, PerformerLost, Reoffer, Repeat,
    RequesterLost, Rules, Target,
};

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Admit {
        person: u8,
        single: bool,
        stays: bool,
        grace: u8,
    },
    Leave {
        who: u8,
        used: u8,
    },
    Submit {
        who: u8,
        key: u8,
        body: u8,
        kind: u8,
        target: u8,
        deliver: u8,
        answer: u8,
    },
    Cancel {
        who: u8,
        key: u8,
    },
    Answer {
        who: u8,
        which: u8,
        verdict: u8,
    },
    Serve {
        who: u8,
        names: u8,
    },
    Listen {
        who: u8,
        since: u8,
    },
    Devices {
        who: u8,
    },
    Look {
        who: u8,
        key: u8,
    },
    Parted {
        who: u8,
        alive: bool,
    },
    /// Two peers keep displacing each other.
    War {
        person: u8,
    },
    Settle {
        which: u8,
        outcome: bool,
    },
    Undelivered {
        which: u8,
    },
    /// An operator takes work back.
    TakeBack {
        which: u8,
    },
    Deadline,
    Wait {
        millis: u16,
    },
    Sleep {
        seconds: u8,
    },
    Pay,
    Restart,
}

/// A small generator: the same seed gives the same acts for ever.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    fn one_in(&mut self, many: u8) -> bool {
        self.byte().is_multiple_of(many)
    }

    pub(crate) fn act(&mut self) -> Act {
        match self.byte() % 100 {
            0..=11 => {
                Act::Admit { person: self.byte(), single: !self.one_in(4), stays: self.one_in(8), grace: self.byte() }
            }
            12..=20 => Act::Leave { who: self.byte(), used: self.byte() },
            21..=40 => Act::Submit {
                who: self.byte(),
                key: self.byte(),
                body: self.byte(),
                kind: self.byte(),
                target: self.byte(),
                deliver: self.byte(),
                answer: self.byte(),
            },
            41..=45 => Act::Cancel { who: self.byte(), key: self.byte() },
            46..=66 => Act::Answer { who: self.byte(), which: self.byte(), verdict: self.byte() },
            67..=69 => Act::Serve { who: self.byte(), names: self.byte() },
            70..=71 => Act::Listen { who: self.byte(), since: self.byte() },
            72..=74 => Act::Parted { who: self.byte(), alive: !self.one_in(4) },
            75 if self.one_in(4) => Act::War { person: self.byte() },
            75 if self.one_in(2) => Act::Devices { who: self.byte() },
            75 => Act::Listen { who: self.byte(), since: self.byte() },
            76..=81 => Act::Settle { which: self.byte(), outcome: !self.one_in(3) },
            82 if self.one_in(2) => Act::TakeBack { which: self.byte() },
            82 => Act::Undelivered { which: self.byte() },
            83..=84 => Act::Look { who: self.byte(), key: self.byte() },
            85..=89 => Act::Deadline,
            90..=94 => Act::Wait { millis: u16::from(self.byte()) * 20 },
            95..=96 => Act::Sleep { seconds: self.byte() % 20 },
            97..=98 => Act::Pay,
            _ if self.one_in(3) => Act::Restart,
            _ => Act::Deadline,
        }
    }
}

/// How the kinds of work behave: every number is another mixture.
pub(crate) fn rules(kind: u8) -> Arc<Rules> {
    let rules = mixture(kind);
    // Money moves one way: one device, stored, asked about and made good for. A third of the kinds are like that.
    if !kind.is_multiple_of(3) {
        return Arc::new(rules);
    }
    let compensation = Compensation {
        kind: format!("undo {kind}").into(),
        rules: undo(kind),
        answer_within: Duration::from_secs(u64::from(kind % 7) * 10),
    };
    let performer_lost = match kind % 4 {
        0 => rules.performer_lost,
        _ => PerformerLost::Hold(Duration::from_secs(u64::from(kind % 5) * 2)),
    };
    Arc::new(Rules {
        reoffer: Reoffer::Inquire { times: u16::from(kind % 4), pause: Duration::from_secs(u64::from(kind % 5)) },
        late: Late::Compensate(Arc::new(compensation)),
        durability: Durability::Durable,
        performer_lost,
        ..rules
    })
}

/// How the work behaves that makes good for a kind.
fn undo(kind: u8) -> Arc<Rules> {
    let until = Duration::from_secs(60);
    let reoffer = Reoffer::Every { pause: Duration::from_secs(5), until };
    let (late, durability) = (Late::Record, Durability::Durable);
    let capacity = Capacity::Many(4);
    Arc::new(Rules { capacity, absent: Absent::Wait, reoffer, late, durability, ..mixture(kind.wrapping_add(128)) })
}

/// What the dialect says of a kind, by its word.
pub(crate) fn rulebook(name: &str) -> Option<Arc<Rules>> {
    let (word, number) = name.split_once(' ')?;
    let kind = number.parse().ok().filter(|kind| is_known(*kind))?;
    match word {
        "kind" => Some(rules(kind)),
        "undo" => Some(undo(kind)),
        _ => None,
    }
}

fn mixture(kind: u8) -> Rules {
    let mut dice = Dice::new(u64::from(kind) + 77);
    let mut pick = |many: u8| dice.byte() % many;
    let seconds = |n: u8| Duration::from_secs(u64::from(n));
    Rules {
        capacity: match pick(4) {
            0 => Capacity::Busy,
            1 => Capacity::Queue(seconds(pick(4))),
            2 => Capacity::Many(2),
            _ => Capacity::Many(100),
        },
        absent: if pick(3) == 0 { Absent::Refuse } else { Absent::Wait },
        performer_lost: match pick(3) {
            0 => PerformerLost::Fail,
            1 => PerformerLost::Hold(seconds(pick(6))),
            _ => PerformerLost::OthersGoOn,
        },
        requester_lost: if pick(3) == 0 { RequesterLost::Cancel } else { RequesterLost::GoOn },
        repeat: match pick(3) {
            0 => Repeat::Join,
            1 => Repeat::Refuse,
            _ => Repeat::Run,
        },
        reoffer: match pick(3) {
            0 => Reoffer::Never,
            1 => Reoffer::OnReturn,
            _ => Reoffer::Every { pause: seconds(pick(3)), until: seconds(pick(2) * 5) + Duration::from_millis(5) },
        },
        // An eighth of what is said to be done is something else.
        fits: Fits(|_, done| done.first().is_none_or(|byte| byte / 16 % 8 != 0)),
        late: if pick(2) == 0 { Late::Drop } else { Late::Record },
        audience: if pick(3) == 0 { Audience::Waiting } else { Audience::Principal },
        durability: if pick(4) == 0 { Durability::Fleeting } else { Durability::Durable },
        remember: seconds(pick(3) * 10),
        owed_for: seconds(pick(3) * 10),
        owed_most: u32::from(pick(4)),
    }
}

/// Whether the dialect still knows the kind after a restart.
pub(crate) const fn is_known(kind: u8) -> bool {
    kind % 16 != 5
}

/// `epoch` is that of somebody who came in lately.
pub(crate) fn target(number: u8, place: model::Partition, epoch: Epoch) -> Target {
    let connection = |place| Target::Device(DeviceId::parse(&epoch.connection(place)).expect("a good name"));
    match number {
        240..=252 => return connection(place),
        253..=255 => return connection(model::Partition(place.0.wrapping_add(1))),
        _ => {}
    }
    match number % 8 {
        0..=2 => Target::AnyOfGroup,
        3 => Target::FirstIdle,
        4 => Target::Serving(name(number / 8)),
        _ => Target::Device(device(number / 8)),
    }
}

/// One of two names that are served.
pub(crate) fn name(number: u8) -> Box<str> {
    format!("name {}", number % 2).into()
}

/// One of three devices.
pub(crate) fn device(number: u8) -> DeviceId {
    DeviceId::parse(&format!("d{}", number % 3)).expect("a good name")
}
