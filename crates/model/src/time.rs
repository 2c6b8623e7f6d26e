//! Time as it is handed in: one line that never goes back for deadlines, one wall clock for printing.

use std::fmt;
use std::time::Duration;

/// An instant on a line that never goes backwards within a process, in milliseconds.
///
/// The line starts at the wall clock's reading when the process starts, so that a deadline written to
/// the store still means about the same instant after a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `millis` after the Unix epoch on this process's line.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch on this process's line.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The instant `later` from here; saturates at the end of the line.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(later)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The instant `before` ago; saturates at the start of the line.
    #[must_use]
    pub fn before(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(before)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// The wall clock: milliseconds since the Unix epoch. It may jump; nothing is decided by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(u64);

impl Wall {
    /// The wall time `millis` after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The wall time `later` from here.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(later)))
    }

    /// RFC 3339 in UTC, always with three digits of milliseconds.
    #[must_use]
    pub fn with_millis(self) -> String {
        let stamp = i64::try_from(self.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
        stamp.map_or_else(|| "9999-12-31T23:59:59.999Z".to_owned(), |stamp| format!("{stamp:.3}"))
    }

    /// Reads an RFC 3339 time such as `2031-03-04T05:10:00Z`; none when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(stamp.as_millisecond()).ok().map(Self)
    }
}

/// RFC 3339 in UTC, with milliseconds only when there are any.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = i64::try_from(self.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
        match stamp {
            Some(stamp) => write!(f, "{stamp}"),
            None => f.write_str("9999-12-31T23:59:59Z"),
        }
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Both readings of one moment, as the shell hands them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and windows: never goes backwards.
    pub at: Timestamp,
    /// For what is printed, signed or checked against a certificate.
    pub wall: Wall,
}

impl Now {
    /// The moment at which both clocks read `millis`, as at a process's start and in transcripts.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { at: Timestamp(millis), wall: Wall(millis) }
    }

    /// The wall time at which `at` will come, if the wall clock does not jump until then.
    #[must_use]
    pub fn wall_at(self, at: Timestamp) -> Wall {
        if at >= self.at {
            self.wall.after(at.since(self.at))
        } else {
            Wall(self.wall.0.saturating_sub(self.at.0 - at.0))
        }
    }

    /// When it was or will be `wall`, if the wall clock does not jump between then and now.
    #[must_use]
    pub const fn at_wall(self, wall: Wall) -> Timestamp {
        Timestamp((self.at.0 + wall.0.saturating_sub(self.wall.0)).saturating_sub(self.wall.0.saturating_sub(wall.0)))
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_prints_and_reads_back_as_rfc_3339() {
        let wall = Wall::parse("2031-03-04T05:10:00Z").unwrap();
        assert_eq!(wall.to_string(), "2031-03-04T05:10:00Z");
        assert_eq!(wall.after(Duration::from_millis(250)).to_string(), "2031-03-04T05:10:00.25Z");
        assert_eq!(Wall::parse("yesterday"), None);
    }

    #[test]
    fn the_clocks_are_read_from_each_other() {
        let now = Now { at: Timestamp(1_000), wall: Wall(5_000) };
        for at in [0, 400, 1_000, 7_000].map(Timestamp) {
            assert_eq!(now.at_wall(now.wall_at(at)), at);
        }
        assert_eq!(now.at_wall(Wall(0)), Timestamp(0));
        assert_eq!(now.at_wall(Wall(u64::MAX)), Timestamp(u64::MAX - 4_000));
    }

    #[test]
    fn deadlines_saturate_instead_of_wrapping() {
        assert_eq!(Timestamp::from_millis(u64::MAX).after(Duration::from_secs(1)).millis(), u64::MAX);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
