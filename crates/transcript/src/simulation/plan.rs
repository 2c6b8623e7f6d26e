//! What one seed means: who is there, how each behaves, and everything that happens to them, with its time.
//!
//! A plan says all there is to say: leaving an act out changes nothing about the others. So one that fails can be
//! made smaller.

use std::time::Duration;

use super::dice::Dice;

/// Milliseconds since the start.
pub(crate) type Millis = u64;

/// Longer than anything is waited for.
pub(crate) const NEVER: Millis = 1 << 40;

/// One simulation.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) seed: u64,
    pub(crate) cores: u8,
    /// How long each commit takes; none where it is durable at once.
    pub(crate) disk: Option<Millis>,
    /// How long a terminal may take for a payment.
    pub(crate) answer_within: Duration,
    pub(crate) tills: Vec<Till>,
    pub(crate) terminals: Vec<Terminal>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) acts: Vec<Act>,
}

/// One till.
#[derive(Clone, Debug)]
pub(crate) struct Till {
    pub(crate) group: usize,
    pub(crate) link: Link,
    /// After a reconnect it asks again for what it has no outcome of; else it waits for what it is owed.
    pub(crate) asks_again: bool,
    /// It calls over HTTP, and has no socket.
    pub(crate) calls: bool,
}

/// One terminal.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    pub(crate) group: usize,
    pub(crate) link: Link,
    /// Whether it gives a device id.
    pub(crate) named: bool,
    /// It says that it does not know payments that it took. Only to show that the laws see it.
    pub(crate) lies: bool,
}

/// How a peer's connection behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// How long a frame travels at least.
    pub(crate) latency: Millis,
    /// How much longer it may take.
    pub(crate) jitter: Millis,
    /// How long it waits before it connects again, when nobody says otherwise.
    pub(crate) patience: Millis,
}

/// One payment.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) till: usize,
    pub(crate) terminal: usize,
    /// Unique within the group only.
    pub(crate) id: String,
    pub(crate) amount: String,
    pub(crate) conduct: Conduct,
}

/// What the terminal does with a payment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    pub(crate) verdict: Verdict,
    /// How long it is on the screen.
    pub(crate) takes: Millis,
    /// Where the terminal's connection is lost, and how long it stays away then.
    pub(crate) cut: Option<(Cut, Millis)>,
    /// It says PENDING as soon as it is on the screen.
    pub(crate) says_pending: bool,
    pub(crate) answers_twice: bool,
    /// Takes, and says, another amount.
    pub(crate) wrong_amount: bool,
    /// Takes it off the screen when told that it is over.
    pub(crate) heeds_closed: bool,
    pub(crate) void: Void,
}

/// What comes of a payment at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approve,
    Decline,
    Cancel,
}

/// When a terminal loses its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The payment has come and is not looked at.
    Before,
    /// It is on the screen.
    During,
    /// It is done and not yet said.
    After,
    /// It is said, and the answer is not yet heard.
    Said,
}

/// What a terminal does when told to reverse a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Void {
    Confirm,
    ConfirmAfter(Millis),
    Refuse,
    Never,
}

/// Somebody with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Till(usize),
    Terminal(usize),
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    pub(crate) at: Millis,
    pub(crate) deed: Deed,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Connect(Peer),
    /// The connection is lost; the peer comes back after so long.
    Drop(Peer, Millis),
    /// The connection is lost, and the gateway does not notice.
    Deafen(Peer, Millis),
    /// A till asks for a payment, for the first time or again.
    Pay(usize),
    /// It asks for something else under the same id.
    PayOther(usize),
    /// Another till asks for the same under the same id.
    PayStrange {
        till: usize,
        payment: usize,
    },
    /// A terminal claims to have done what was asked of another.
    Claim {
        terminal: usize,
        payment: usize,
    },
    Restart,
    /// Killed when so many more commits are durable.
    DieAfterCommits(u32),
    FailCommit,
    FailLoad,
    HoldCommits(Millis),
    HoldReads(Millis),
    /// The wall clock is set forward or back.
    StepWall(i64),
    /// Told to end, and started again after so long.
    Drain(Millis),
}

/// How long acts go on.
const LONG: Millis = 240_000;

impl Plan {
    /// What a seed means.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x6d6f_6475_6c75_7300);
        let is_large = dice.once_in(100);
        let (groups, tills, terminals) = match is_large {
            true => (4 + dice.index(12), 60 + dice.index(100), 100 + dice.index(200)),
            false => (1 + dice.index(3), 1 + dice.index(4), 1 + dice.index(6)),
        };
        let payments = if is_large { 300 } else { 1 + dice.index(16) };
        let faults = if is_large { 60 } else { dice.index(14) };
        let mut plan = Self {
            seed,
            cores: dice.pick(&[1, 1, 2, 3]),
            disk: dice.pick(&[None, None, Some(1), Some(7), Some(90)]),
            answer_within: Duration::from_secs(dice.pick(&[900, 900, 120, 30])),
            tills: (0..tills).map(|index| till(&mut dice, index, groups)).collect(),
            terminals: (0..terminals).map(|index| terminal(&mut dice, index, groups)).collect(),
            payments: Vec::new(),
            acts: Vec::new(),
        };
        plan.connect(&mut dice);
        (0..payments).for_each(|_| plan.pay(&mut dice));
        (0..faults).for_each(|_| plan.fault(&mut dice));
        plan.acts.sort_by_key(|act| act.at);
        plan
    }

    /// The same with terminals that take money and then say that they know nothing of it: no law can hold with them,
    /// and so they show that the laws are looked at.
    #[must_use]
    pub fn with_liars(mut self) -> Self {
        self.terminals.iter_mut().for_each(|terminal| terminal.lies = true);
        self
    }

    fn act(&mut self, at: Millis, deed: Deed) {
        self.acts.push(Act { at, deed });
    }

    fn connect(&mut self, dice: &mut Dice) {
        for terminal in 0..self.terminals.len() {
            let at = if dice.once_in(8) { dice.below(LONG) } else { dice.below(500) };
            self.act(at, Deed::Connect(Peer::Terminal(terminal)));
        }
        for till in 0..self.tills.len() {
            self.act(dice.below(1_000), Deed::Connect(Peer::Till(till)));
        }
    }

    fn pay(&mut self, dice: &mut Dice) {
        let till = dice.index(self.tills.len());
        let group = self.tills[till].group;
        let near: Vec<usize> =
            (0..self.terminals.len()).filter(|&terminal| self.terminals[terminal].group == group).collect();
        // Once in a while a terminal of another group is asked for.
        let foreign = near.is_empty() || dice.once_in(40);
        let terminal = if foreign { dice.index(self.terminals.len()) } else { dice.pick(&near) };
        let of_group = self.payments.iter().filter(|payment| self.tills[payment.till].group == group).count();
        let index = self.payments.len();
        self.payments.push(Payment {
            till,
            terminal,
            id: format!("p-{of_group}"),
            amount: format!("{}.{:02}", 10 + index, group % 100),
            conduct: conduct(dice),
        });
        let at = 2_000 + dice.below(LONG);
        self.act(at, Deed::Pay(index));
        while dice.once_in(4) {
            let again = at + dice.pick(&[0, 1, 20, 500, 5_000, 61_000, 400_000, 1_200_000]);
            let deed = match dice.below(6) {
                0 => Deed::PayOther(index),
                1 => Deed::PayStrange { till: dice.index(self.tills.len()), payment: index },
                2 => Deed::Claim { terminal: dice.index(self.terminals.len()), payment: index },
                _ => Deed::Pay(index),
            };
            self.act(again, deed);
        }
    }

    fn fault(&mut self, dice: &mut Dice) {
        // Many faults fall close to a payment: that is where they matter.
        let near = self.acts[dice.index(self.acts.len())].at + dice.pick(&[0, 0, 1, 10, 40, 200, 3_000, 30_000]);
        let at = if dice.once_in(3) { dice.below(LONG) } else { near };
        let peer = match dice.once_in(2) {
            true => Peer::Till(dice.index(self.tills.len())),
            false => Peer::Terminal(dice.index(self.terminals.len())),
        };
        let back = away(dice);
        let deed = match dice.below(20) {
            0..=4 => Deed::Drop(peer, back),
            5..=7 => Deed::Deafen(peer, back),
            8 | 9 => Deed::Restart,
            10..=12 => Deed::DieAfterCommits(1 + u32::try_from(dice.below(4)).unwrap_or(0)),
            13 | 14 => Deed::FailCommit,
            15 => Deed::FailLoad,
            16 => Deed::HoldCommits(dice.pick(&[50, 500, 5_000, 20_000])),
            17 => Deed::HoldReads(dice.pick(&[50, 500, 5_000])),
            18 => Deed::StepWall(dice.pick(&[-3_600_000, -90_000, -1, 1_000, 90_000, 3_600_000, 40_000_000])),
            _ => Deed::Drain(dice.pick(&[0, 1_000, 15_000])),
        };
        self.act(at, deed);
    }
}

/// How long somebody stays away: within a terminal's grace of a minute, around it, and beyond it.
fn away(dice: &mut Dice) -> Millis {
    dice.pick(&[0, 100, 1_000, 5_000, 30_000, 59_000, 60_000, 61_000, 90_000, 400_000, 1_500_000])
}

fn till(dice: &mut Dice, index: usize, groups: usize) -> Till {
    Till { group: index % groups, link: link(dice), asks_again: !dice.once_in(3), calls: dice.once_in(3) }
}

fn terminal(dice: &mut Dice, index: usize, groups: usize) -> Terminal {
    Terminal { group: index % groups, link: link(dice), named: !dice.once_in(5), lies: false }
}

fn link(dice: &mut Dice) -> Link {
    Link {
        latency: dice.pick(&[0, 0, 5, 40, 300]),
        jitter: dice.pick(&[1, 1, 20, 500]),
        patience: dice.pick(&[0, 200, 1_000, 5_000, 62_000]),
    }
}

fn conduct(dice: &mut Dice) -> Conduct {
    let cut = dice.once_in(3).then(|| (dice.pick(&[Cut::Before, Cut::During, Cut::After, Cut::Said]), away(dice)));
    Conduct {
        verdict: dice.pick(&[Verdict::Approve, Verdict::Approve, Verdict::Approve, Verdict::Decline, Verdict::Cancel]),
        takes: dice
            .pick(&[0, 0, 50, 2_000, 2_000, 10_000, 29_999, 30_000, 119_999, 120_000, 300_000, 1_000_000, NEVER]),
        cut,
        says_pending: dice.once_in(4),
        answers_twice: dice.once_in(6),
        wrong_amount: dice.once_in(15),
        heeds_closed: !dice.once_in(3),
        void: match dice.below(8) {
            0 => Void::Refuse,
            1 => Void::Never,
            2 => Void::ConfirmAfter(dice.pick(&[1_000, 29_999, 45_000, 700_000])),
            _ => Void::Confirm,
        },
    }
}
