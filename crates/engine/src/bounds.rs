//! Every bound of a partition, with its name.

use std::time::Duration;

/// Running operations of one group; a further one is refused as full.
pub const RUNNING_PER_GROUP: usize = 20_000;
/// Events a group keeps for listeners that come back; older ones are a gap.
pub const EVENTS_PER_GROUP: usize = 1_024;
/// How long it keeps them.
pub const EVENTS_KEPT: Duration = Duration::from_secs(5 * 60);
/// Proven takeovers of one name within [`DAMPING_SPAN`] before a newcomer is held off.
pub const DAMPING_AFTER: usize = 5;
/// How far back takeovers count.
pub const DAMPING_SPAN: Duration = Duration::from_secs(30);
/// How long a newcomer waits for the older session to hand back what it was lent.
pub const HANDOVER: Duration = Duration::from_secs(1);
/// How long we wait to hear whether a displaced peer was alive.
pub const PARTING: Duration = Duration::from_secs(30);
/// Names one performer may serve.
pub const NAMES_PER_PERFORMER: usize = 256;
/// How long the failure of work is owed whose kind nobody knows any more after a restart.
pub const ORPHAN_OWED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How many such failures are owed to one requester.
pub const ORPHAN_OWED_MOST: u32 = 1_000;
/// The shortest pause between two offers of the same work to the same performer.
pub const REOFFER_PAUSE_LEAST: Duration = Duration::from_millis(1);
/// How long a device that is offline stays listed in its group.
pub const DEVICE_LISTED: Duration = Duration::from_secs(24 * 60 * 60);
/// Devices a group has before those that go offline are forgotten at once.
pub const DEVICES_LISTED: usize = 10_000;
/// How long ended work that a performer spoke of again is kept in memory.
pub const RECALLED: Duration = Duration::from_secs(15 * 60);
