//! First half of a comparison: which minutiae look alike by their surroundings, and which of
//! those likenesses support each other.

use std::f32::consts::TAU;

use super::print::{LAYERS, Spot};
use crate::math;

/// Candidate pairs kept; more cost time and bring only chance likenesses.
const MAX_PAIRS: usize = 36;
/// A minutia may stand in at most this many candidate pairs.
const MAX_PER_SPOT: u8 = 2;
/// Surroundings less alike than this are no candidate.
const ALIKE_MIN: f32 = 0.30;
/// Two discs must share at least this many cells that can say something.
const SHARED_CELLS_MIN: u32 = 18;
const ROUNDS: usize = 4;

/// Two minutiae, one of each print, that may be the same.
#[derive(Clone, Copy, Default)]
pub(super) struct Pair {
    pub(super) a: usize,
    pub(super) b: usize,
    /// How alike their surroundings are, 0 to 1, once the other pairs had their say.
    pub(super) support: f32,
}

/// Memory of a comparison, reused from one to the next.
#[derive(Default)]
pub(super) struct Local {
    /// Likeness of every minutia of one print to every one of the other, rows by the first.
    pub(super) alike: Vec<f32>,
    order: Vec<(f32, u16)>,
    pub(super) pairs: Vec<Pair>,
    /// How well each pair goes with each other pair, 0 to 1.
    pub(super) agree: Vec<f32>,
}

impl Local {
    /// Fills everything for two prints; the pairs come out best supported first.
    pub(super) fn compare(&mut self, a: &[Spot], b: &[Spot]) {
        self.likenesses(a, b);
        self.candidates(a.len(), b.len());
        self.relax(a, b);
    }

    fn likenesses(&mut self, a: &[Spot], b: &[Spot]) {
        self.alike.clear();
        for one in a {
            self.alike.extend(b.iter().map(|other| likeness(one, other)));
        }
    }

    fn candidates(&mut self, rows: usize, columns: usize) {
        self.order.clear();
        for (place, &alike) in self.alike.iter().enumerate() {
            if alike > ALIKE_MIN {
                // at most MAX_SPOTS squared places
                self.order.push((alike, u16::try_from(place).unwrap_or(u16::MAX)));
            }
        }
        let keep = (4 * MAX_PAIRS).min(self.order.len());
        if keep < self.order.len() {
            self.order.select_nth_unstable_by(keep, better);
            self.order.truncate(keep);
        }
        self.order.sort_unstable_by(better);
        let mut used_rows = vec![0u8; rows];
        let mut used_columns = vec![0u8; columns];
        self.pairs.clear();
        for &(alike, place) in &self.order {
            let (a, b) = (usize::from(place) / columns, usize::from(place) % columns);
            if used_rows[a] >= MAX_PER_SPOT || used_columns[b] >= MAX_PER_SPOT {
                continue;
            }
            used_rows[a] += 1;
            used_columns[b] += 1;
            self.pairs.push(Pair { a, b, support: alike });
            if self.pairs.len() == MAX_PAIRS {
                break;
            }
        }
    }

    /// Lets every pair vote on every other: pairs of one true alignment lift each other.
    fn relax(&mut self, a: &[Spot], b: &[Spot]) {
        let count = self.pairs.len();
        self.agree.clear();
        self.agree.resize(count * count, 0.0);
        for i in 0..count {
            for j in i + 1..count {
                let agree = agreement(a, b, self.pairs[i], self.pairs[j]);
                self.agree[i * count + j] = agree;
                self.agree[j * count + i] = agree;
            }
        }
        let mut votes = vec![0.0f32; count];
        for _ in 0..ROUNDS {
            for (i, vote) in votes.iter_mut().enumerate() {
                let row = &self.agree[i * count..(i + 1) * count];
                *vote = row.iter().zip(&self.pairs).map(|(agree, pair)| agree * pair.support).sum();
            }
            for (pair, vote) in self.pairs.iter_mut().zip(&votes) {
                pair.support = 0.5 * pair.support + 0.5 * vote / 8.0;
            }
        }
    }

    /// How strongly the eight best pairs are supported, on average.
    pub(super) fn support(&self) -> f32 {
        const BEST: usize = 8;
        let mut supports: Vec<f32> = self.pairs.iter().map(|pair| pair.support).collect();
        supports.sort_unstable_by(|a, b| b.total_cmp(a));
        supports.iter().take(BEST).sum::<f32>() / BEST as f32
    }

    /// The pairs, best supported first, as places in `pairs`.
    pub(super) fn ranking(&self) -> Vec<usize> {
        let mut ranking: Vec<usize> = (0..self.pairs.len()).collect();
        ranking.sort_by(|&i, &j| self.pairs[j].support.total_cmp(&self.pairs[i].support).then(i.cmp(&j)));
        ranking
    }
}

fn better(a: &(f32, u16), b: &(f32, u16)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// How alike two discs are where both can say something, 0 to 1.
fn likeness(a: &Spot, b: &Spot) -> f32 {
    let shared = a.known & b.known;
    if shared.count_ones() < SHARED_CELLS_MIN {
        return 0.0;
    }
    let (mut both, mut differ) = (0, 0);
    for layer in 0..LAYERS {
        let (x, y) = (a.layers[layer] & shared, b.layers[layer] & shared);
        both += (x & y).count_ones();
        differ += (x ^ y).count_ones();
    }
    let total = 2 * both + differ;
    if total < 12 {
        return 0.0;
    }
    2.0 * both as f32 / total as f32
}

/// How well two pairs fit one rigid movement (with some stretch), 0 to 1.
fn agreement(a: &[Spot], b: &[Spot], i: Pair, j: Pair) -> f32 {
    if i.a == j.a || i.b == j.b {
        return 0.0;
    }
    let (a1, a2) = (&a[i.a], &a[j.a]);
    let (b1, b2) = (&b[i.b], &b[j.b]);
    let (ax, ay) = (f32::from(a2.x - a1.x), f32::from(a1.y - a2.y));
    let (bx, by) = (f32::from(b2.x - b1.x), f32::from(b1.y - b2.y));
    let (far_a, far_b) = ((ax * ax + ay * ay).sqrt(), (bx * bx + by * by).sqrt());
    let stretch = (far_a - far_b).abs() / (5.0 + 0.04 * far_a.min(far_b));
    if stretch > 2.5 {
        return 0.0;
    }
    let turn_1 = i32::from(b1.angle.wrapping_sub(a1.angle));
    let turn_2 = i32::from(b2.angle.wrapping_sub(a2.angle));
    let twist = byte_distance(turn_1 - turn_2) / 12.0;
    if twist > 2.5 {
        return 0.0;
    }
    // the line between the two minutiae must have turned as the minutiae have
    let line = math::atan2(by, bx) - math::atan2(ay, ax);
    let line = math::round(line * (256.0 / TAU));
    let mean = turn_1 + signed_byte(turn_2 - turn_1) / 2;
    let swing = byte_distance(line - mean) / (9.0 + 160.0 / (far_a + 8.0));
    bell(stretch) * bell(twist) * bell(swing)
}

/// 1 at 0, a half at 1, little beyond.
fn bell(x: f32) -> f32 {
    let square = x * x;
    1.0 / (1.0 + square * square)
}

/// A difference of directions in 1/256 turns, -128 to 127.
pub(super) fn signed_byte(difference: i32) -> i32 {
    (difference + 128).rem_euclid(256) - 128
}

fn byte_distance(difference: i32) -> f32 {
    signed_byte(difference).abs() as f32
}
