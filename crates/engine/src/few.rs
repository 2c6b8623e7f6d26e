//! An ordered map that mostly holds one entry: that one needs no memory of its own.
//!
//! A `BTreeMap` of one entry takes room for eleven, and of the thousands of groups that are one shop with one till,
//! each has such maps.

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// An ordered map: none or one entry in place, more in a tree.
#[derive(Debug)]
pub(crate) enum Few<K, V> {
    /// At most one.
    One(Option<(K, V)>),
    /// More, or there were more lately.
    Many(BTreeMap<K, V>),
}

impl<K: Ord, V> Few<K, V> {
    pub(crate) const fn new() -> Self {
        Self::One(None)
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::One(one) => one.as_ref().filter(|(known, _)| known.borrow() == key).map(|(_, value)| value),
            Self::Many(many) => many.get(key),
        }
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::One(one) => one.as_mut().filter(|(known, _)| (*known).borrow() == key).map(|(_, value)| value),
            Self::Many(many) => many.get_mut(key),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::One(one) => one.is_none(),
            Self::Many(many) => many.is_empty(),
        }
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts an entry in; gives the value that was there under its key.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::One(one) => match one.take() {
                None => {
                    *one = Some((key, value));
                    None
                }
                Some((known, before)) if known == key => {
                    *one = Some((known, value));
                    Some(before)
                }
                Some(before) => {
                    *self = Self::Many(BTreeMap::from([before, (key, value)]));
                    None
                }
            },
            Self::Many(many) => many.insert(key, value),
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::One(one) => one.take_if(|(known, _)| (*known).borrow() == key).map(|(_, value)| value),
            Self::Many(many) => {
                let value = many.remove(key);
                if many.is_empty() {
                    *self = Self::One(None);
                }
                value
            }
        }
    }

    /// The value under that key, made first when there is none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        if !self.contains_key(&key) {
            self.insert(key.clone(), V::default());
        }
        self.get_mut(&key).expect("it was put in if it was missing")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (one, many) = match self {
            Self::One(one) => (one.as_ref(), None),
            Self::Many(many) => (None, Some(many)),
        };
        one.map(|(key, value)| (key, value)).into_iter().chain(many.into_iter().flatten())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let (one, many) = match self {
            Self::One(one) => (one.as_mut(), None),
            Self::Many(many) => (None, Some(many)),
        };
        one.map(|(_, value)| value).into_iter().chain(many.into_iter().flat_map(BTreeMap::values_mut))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(acts in prop::collection::vec((0_u8..4, 0_u8..4, any::<u16>()), 0..40)) {
            let (mut few, mut map) = (Few::new(), BTreeMap::new());
            for (act, key, value) in acts {
                match act {
                    0 => prop_assert_eq!(few.insert(key, value), map.insert(key, value)),
                    1 => prop_assert_eq!(few.remove(&key), map.remove(&key)),
                    2 => *few.or_default(key) = *map.entry(key).or_default(),
                    _ => {
                        few.values_mut().for_each(|value| *value ^= 1);
                        map.values_mut().for_each(|value| *value ^= 1);
                    }
                }
                prop_assert!(few.iter().eq(&map));
                prop_assert_eq!(few.is_empty(), map.is_empty());
                prop_assert!(few.keys().eq(map.keys()) && few.values().eq(map.values()));
                prop_assert_eq!(few.get(&key), map.get(&key));
                prop_assert_eq!(few.contains_key(&key), map.contains_key(&key));
            }
        }
    }
}
