//! Names and numbers of things. Two ids are two types, so that the compiler refuses the mix-up.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::Dialect;

/// The longest name a peer may choose, in characters.
pub const MAX_ID_CHARS: usize = 256;

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadId {
    /// It has no characters at all.
    Empty,
    /// It is longer than [`MAX_ID_CHARS`].
    TooLong,
    /// It holds a control character.
    Control,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("must not be empty"),
            Self::TooLong => write!(f, "must be at most {MAX_ID_CHARS} characters"),
            Self::Control => f.write_str("must not hold control characters"),
        }
    }
}

impl std::error::Error for BadId {}

fn checked(text: &str) -> Result<Arc<str>, BadId> {
    if text.is_empty() {
        return Err(BadId::Empty);
    }
    if text.len() > MAX_ID_CHARS && text.chars().count() > MAX_ID_CHARS {
        return Err(BadId::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(BadId::Control);
    }
    Ok(Arc::from(text))
}

macro_rules! text_id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text of 1 to [`MAX_ID_CHARS`] characters without control characters.
            ///
            /// # Errors
            /// [`BadId`] says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                checked(text).map(Self)
            }

            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_id!(
    /// What groups share: registered members and their balances.
    NetworkId
);
text_id!(
    /// The tenant scope that nothing else crosses: a dialect and a name in it, such as `boop/ven_bakery`.
    GroupId
);
text_id!(
    /// Who a credential proves, stable across key rotation.
    PrincipalId
);
text_id!(
    /// A performer as the outside knows it, stable across reconnects; unique within its group.
    DeviceId
);
text_id!(
    /// One stored credential.
    CredentialId
);
text_id!(
    /// A registered member of a network.
    MemberId
);
text_id!(
    /// A webhook endpoint of a group.
    EndpointId
);
text_id!(
    /// The id a requester chose for a piece of work; unique within its group.
    RequestKey
);

impl GroupId {
    /// The group of that name in that dialect: the same name elsewhere is another group.
    ///
    /// # Errors
    /// [`BadId`] says what is wrong with the name.
    pub fn of(dialect: Dialect, name: &str) -> Result<Self, BadId> {
        checked(name)?;
        checked(&format!("{dialect}/{name}")).map(Self)
    }

    /// What stands in an operator's credential where it is for every group. No group can be called so: their names begin
    /// with a dialect.
    #[must_use]
    pub fn every() -> Self {
        Self(Arc::from("*"))
    }

    /// Whether it stands for every group.
    #[must_use]
    pub fn is_every(&self) -> bool {
        &*self.0 == "*"
    }

    /// The protocol it belongs to.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.0.split_once('/').and_then(|(dialect, _)| dialect.parse().ok())
    }

    /// The name as people and peers of its dialect know it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, name)| name)
    }
}

/// One piece of work: an integer that grows with time and carries its partition.
///
/// The top 43 bits count milliseconds since 2020, then 8 bits of partition, then 12 bits that tell
/// apart operations of one millisecond; a busier partition borrows from the next millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u64);

impl OperationId {
    const EPOCH_MILLIS: u64 = 1_577_836_800_000;
    const SEQUENCE_BITS: u32 = 12;

    /// The first id of `partition` at `millis` after the Unix epoch that comes after `last`.
    #[must_use]
    pub fn next(partition: Partition, millis: u64, last: Option<Self>) -> Self {
        let at = millis.saturating_sub(Self::EPOCH_MILLIS);
        let first = (at << (Self::SEQUENCE_BITS + 8)) | (u64::from(partition.0) << Self::SEQUENCE_BITS);
        let first = first & (u64::MAX >> 1);
        match last {
            Some(Self(last)) if last >= first => {
                let sequence = (last + 1) & ((1 << Self::SEQUENCE_BITS) - 1);
                if sequence == 0 {
                    Self(((last >> 20) + 1) << 20 | u64::from(partition.0) << 12)
                } else {
                    Self(last + 1)
                }
            }
            _ => Self(first),
        }
    }

    /// The millisecond since the Unix epoch in which the id was given, or a little after.
    #[must_use]
    pub const fn millis(self) -> u64 {
        (self.0 >> (Self::SEQUENCE_BITS + 8)) + Self::EPOCH_MILLIS
    }

    /// The id as the integer it is stored as; always below 2^63.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Takes back what [`Self::number`] gave.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The partition whose writer owns this operation.
    #[must_use]
    pub const fn partition(self) -> Partition {
        Partition((self.0 >> Self::SEQUENCE_BITS).to_le_bytes()[0])
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op-{:x}", self.0)
    }
}

/// One of 256 parts of the world, each with one writer. A group lives in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u8);

impl Partition {
    /// How many there are; recorded in the store with [`Self::FUNCTION`].
    pub const COUNT: u16 = 256;
    /// The function that places a group; recorded in the store, so that a change is noticed.
    pub const FUNCTION: &'static str = "first byte of sha-256 of the group's name";

    /// Where a group lives.
    #[must_use]
    pub fn of(group: &GroupId) -> Self {
        Self(Sha256::digest(group.as_str().as_bytes())[0])
    }
}

/// Counts the owners of a partition: a write under an older fence is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u32);

/// Fences a session's presence, commands and closes: a later session of the same name has a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// The partition's fence when the session was admitted.
    pub fence: Fence,
    /// Counts the sessions admitted under that fence.
    pub n: u64,
}

impl Epoch {
    /// The session's name for peers that name connections: it carries the partition, so that it is never another's.
    #[must_use]
    pub fn connection(self, partition: Partition) -> String {
        format!("c{:02x}{:x}-{:x}", partition.0, self.fence.0, self.n)
    }

    /// Takes back what [`Self::connection`] gave.
    #[must_use]
    pub fn parse_connection(text: &str) -> Option<(Partition, Self)> {
        let (head, n) = text.strip_prefix('c')?.split_once('-')?;
        let (partition, fence) = head.split_at_checked(2)?;
        let partition = Partition(u8::from_str_radix(partition, 16).ok()?);
        let fence = Fence(u32::from_str_radix(fence, 16).ok()?);
        let epoch = Self { fence, n: u64::from_str_radix(n, 16).ok()? };
        (epoch.connection(partition) == text).then_some((partition, epoch))
    }
}

/// Where a session lives in this process; given by the node, opaque to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The core that holds the socket.
    pub core: u8,
    /// The slot on that core; never used twice.
    pub slot: u64,
}

/// Matches a tell to the ask it answers, within one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u32);

/// Matches the result of slow work to the call that wanted it, within one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_bounds() {
        assert_eq!(RequestKey::parse(""), Err(BadId::Empty));
        assert_eq!(RequestKey::parse(&"x".repeat(257)), Err(BadId::TooLong));
        assert_eq!(RequestKey::parse("a\nb"), Err(BadId::Control));
        assert!(RequestKey::parse(&"ü".repeat(256)).is_ok());
    }

    #[test]
    fn a_group_belongs_to_its_dialect() {
        let [boop, modulus] = [Dialect::Boop, Dialect::Modulus].map(|dialect| GroupId::of(dialect, "shop/1").unwrap());
        assert_ne!(boop, modulus);
        assert_eq!((boop.as_str(), boop.name(), modulus.name()), ("boop/shop/1", "shop/1", "shop/1"));
        assert_eq!(GroupId::of(Dialect::Boop, ""), Err(BadId::Empty));
        assert_eq!((boop.dialect(), modulus.dialect()), (Some(Dialect::Boop), Some(Dialect::Modulus)));
        assert!(GroupId::every().is_every() && !GroupId::of(Dialect::Boop, "*").unwrap().is_every());
    }

    #[test]
    fn operation_ids_grow_and_keep_their_partition() {
        let partition = Partition(217);
        let mut last = None;
        for step in 0..10_000_u64 {
            let next = OperationId::next(partition, 1_900_000_000_000 + step / 9_000, last);
            assert_eq!(next.partition(), partition);
            assert!(last.is_none_or(|last| next > last));
            last = Some(next);
        }
    }
}
