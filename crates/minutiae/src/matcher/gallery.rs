//! One against many.
//!
//! Every enrolment is compared in full; what makes it fast is that a comparison of strangers ends
//! after its first half. That prefilter is part of the score itself, so a search returns exactly
//! what comparing one by one would.

use std::num::NonZeroUsize;

use super::{Enrolment, Matcher, Print, Score};

/// Fewer enrolments than this are not worth another thread.
const MIN_PER_THREAD: usize = 16;

/// Everybody's enrolments, held ready for searching.
#[derive(Clone, Debug)]
pub struct Gallery<K> {
    entries: Vec<(K, Enrolment)>,
}

/// Somebody a probe may belong to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'a, K> {
    /// Whose enrolment it is.
    pub key: &'a K,
    /// How alike the probe and the enrolment are.
    pub score: Score,
}

impl<K> Default for Gallery<K> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: PartialEq + Sync> Gallery<K> {
    /// An empty gallery.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an enrolment; one that was there under the key is replaced and returned.
    pub fn insert(&mut self, key: K, enrolment: Enrolment) -> Option<Enrolment> {
        if let Some((_, old)) = self.entries.iter_mut().find(|(known, _)| *known == key) {
            return Some(std::mem::replace(old, enrolment));
        }
        self.entries.push((key, enrolment));
        None
    }

    /// Removes an enrolment.
    pub fn remove(&mut self, key: &K) -> Option<Enrolment> {
        let place = self.entries.iter().position(|(known, _)| known == key)?;
        Some(self.entries.remove(place).1)
    }

    /// The enrolment under a key.
    pub fn get(&self, key: &K) -> Option<&Enrolment> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, enrolment)| enrolment)
    }

    /// How many enrolments there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes the enrolments take in memory, keys' own allocations not counted.
    pub fn size_bytes(&self) -> usize {
        self.entries.iter().map(|(_, enrolment)| size_of::<K>() + enrolment.size_bytes()).sum()
    }

    /// The `most` best candidates for a probe, best first; equal scores in the order of insertion.
    ///
    /// The number of threads changes the time and nothing else. Whether a candidate is a match is
    /// for [`Score::is_match`] to say.
    pub fn search(&self, probe: &Print, most: usize, threads: NonZeroUsize) -> Vec<Candidate<'_, K>> {
        let scores = self.scores(probe, threads);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&i, &j| scores[j].raw().total_cmp(&scores[i].raw()).then(i.cmp(&j)));
        order
            .into_iter()
            .take(most)
            .map(|place| Candidate { key: &self.entries[place].0, score: scores[place] })
            .collect()
    }

    /// The owner of a probe, if anybody's enrolment matches it.
    pub fn identify(&self, probe: &Print, threads: NonZeroUsize) -> Option<Candidate<'_, K>> {
        self.search(probe, 1, threads).into_iter().find(|candidate| candidate.score.is_match())
    }

    /// Every enrolment's score, in the order of insertion.
    fn scores(&self, probe: &Print, threads: NonZeroUsize) -> Vec<Score> {
        let useful = self.entries.len().div_ceil(MIN_PER_THREAD).max(1);
        let share = self.entries.len().div_ceil(threads.get().min(useful)).max(1);
        let mut scores = vec![Score::ZERO; self.entries.len()];
        let work = |entries: &[(K, Enrolment)], scores: &mut [Score]| {
            let mut matcher = Matcher::default();
            for ((_, enrolment), score) in entries.iter().zip(scores) {
                *score = enrolment.compare_with(probe, &mut matcher);
            }
        };
        if share >= self.entries.len() {
            work(&self.entries, &mut scores);
            return scores;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a search may use the cores it was given; the threads end before it returns and change no score"
        )]
        std::thread::scope(|scope| {
            for (entries, scores) in self.entries.chunks(share).zip(scores.chunks_mut(share)) {
                scope.spawn(move || work(entries, scores));
            }
        });
        scores
    }
}
