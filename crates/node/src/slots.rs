//! The connections of a core by number: found at once, however many there are, and listed in order.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::slot::Slot;

/// Every connection. The slots are boxed: the table keeps room for as many again as there are.
#[derive(Debug, Default)]
pub(crate) struct Slots(HashMap<u64, Box<Slot>, BuildHasherDefault<Spread>>);

impl Slots {
    /// Below this the table is never made smaller.
    const SMALL: usize = 1024;

    pub(crate) fn get(&self, id: u64) -> Option<&Slot> {
        self.0.get(&id).map(|slot| &**slot)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Slot> {
        self.0.get_mut(&id).map(|slot| &mut **slot)
    }

    pub(crate) fn insert(&mut self, id: u64, slot: Slot) {
        self.0.insert(id, Box::new(slot));
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Slot> {
        let slot = self.0.remove(&id);
        if self.0.capacity() > Self::SMALL && self.0.len() < self.0.capacity() / 8 {
            self.0.shrink_to_fit();
        }
        slot.map(|slot| *slot)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The oldest after `after` for whom that is so, at most `most`, without putting all of them in order.
    #[expect(clippy::disallowed_methods, reason = "the order is made right after")]
    pub(crate) fn first(&self, after: Option<u64>, most: usize, wanted: impl Fn(&Slot) -> bool) -> Vec<u64> {
        let is_after = |id: u64| after.is_none_or(|after| id > after);
        let mut ids: Vec<u64> =
            self.0.iter().filter(|(id, slot)| is_after(**id) && wanted(slot)).map(|(id, _)| *id).collect();
        if ids.len() > most {
            ids.select_nth_unstable(most);
            ids.truncate(most);
        }
        ids.sort_unstable();
        ids
    }

    /// Everybody for whom that is so, the oldest first.
    #[expect(clippy::disallowed_methods, reason = "the order is made right after")]
    pub(crate) fn ids(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<u64> {
        let mut ids: Vec<u64> = self.0.iter().filter(|(_, slot)| wanted(slot)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

/// Spreads numbers that count upwards and are chosen by us: nothing an attacker could aim at.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}
