//! Second half of a comparison: lay one print on the other and see what falls together.

use std::f32::consts::TAU;

use super::local::{Local, Pair, signed_byte};
use super::print::Spot;
use crate::math;

/// Alignments tried, starting from the best supported pairs.
const ALIGNMENTS: usize = 5;
/// How far apart two minutiae may fall and still be one, pixels.
const NEAR_PX: f32 = 10.0;
/// How far apart two directions may be, 1/256 turns.
const TURN_STEPS: i32 = 18;
/// How far the skin drags its neighbourhood along, pixels.
const DRAG_PX: f32 = 55.0;

/// A rotation and a shift that lays the first print on the second.
#[derive(Clone, Copy)]
pub(super) struct Movement {
    sin: f32,
    cos: f32,
    shift: (f32, f32),
    turn: u8,
}

impl Movement {
    /// The best rigid movement for some pairs, weighted by their support.
    fn through(a: &[Spot], b: &[Spot], pairs: &[(Pair, f32)]) -> Self {
        let mut weight = 0.0f32;
        let (mut ax, mut ay, mut bx, mut by) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
        for &(pair, w) in pairs {
            let (one, other) = (&a[pair.a], &b[pair.b]);
            weight += w;
            ax += w * f32::from(one.x);
            ay += w * f32::from(one.y);
            bx += w * f32::from(other.x);
            by += w * f32::from(other.y);
        }
        let (ax, ay, bx, by) = (ax / weight, ay / weight, bx / weight, by / weight);
        let (mut dot, mut cross) = (0.0f32, 0.0f32);
        for &(pair, w) in pairs {
            let (one, other) = (&a[pair.a], &b[pair.b]);
            let (ux, uy) = (f32::from(one.x) - ax, f32::from(one.y) - ay);
            let (vx, vy) = (f32::from(other.x) - bx, f32::from(other.y) - by);
            dot += w * (ux * vx + uy * vy);
            cross += w * (ux * vy - uy * vx);
            // directions vote too, as if each were a short lever; they alone decide for one pair
            let turn = math::byte_to_turn(one.angle.wrapping_sub(other.angle));
            dot += w * 400.0 * math::cos(turn);
            cross += w * 400.0 * math::sin(turn);
        }
        let length = (dot * dot + cross * cross).sqrt().max(1e-6);
        let (sin, cos) = (cross / length, dot / length);
        Self {
            sin,
            cos,
            shift: (bx - (ax * cos - ay * sin), by - (ax * sin + ay * cos)),
            // pixel rows run downwards, directions upwards
            turn: math::turn_to_byte(math::atan2(-sin, cos)),
        }
    }

    fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        (x * self.cos - y * self.sin + self.shift.0, x * self.sin + y * self.cos + self.shift.1)
    }
}

/// Two minutiae found to be the same.
#[derive(Clone, Copy)]
pub(super) struct Match {
    pub(super) a: usize,
    pub(super) b: usize,
    /// How well they fall together, 0 to 1.
    pub(super) fit: f32,
    pub(super) alike: f32,
}

/// What an alignment achieved.
#[derive(Clone, Default)]
pub(super) struct Alignment {
    pub(super) matches: Vec<Match>,
    /// Minutiae of the first print where the second one has skin, by quality.
    pub(super) expected_a: f32,
    /// The other way round.
    pub(super) expected_b: f32,
    /// Sum of the matches' fits, by quality.
    pub(super) matched: f32,
    /// How far the first print was turned, 1/256 turns counter-clockwise.
    pub(super) turn: u8,
}

impl Alignment {
    /// Orders alignments of one comparison.
    fn worth(&self) -> f32 {
        self.matched * self.matched / ((self.expected_a + 4.0) * (self.expected_b + 4.0)).sqrt()
    }
}

/// Memory of the alignments, reused from one comparison to the next.
#[derive(Default)]
pub(super) struct Aligner {
    moved: Vec<(f32, f32)>,
    close: Vec<(f32, u16, u16)>,
}

impl Aligner {
    /// Tries the best supported alignments and returns the one that achieved most.
    pub(super) fn best(&mut self, a: &[Spot], b: &[Spot], local: &Local) -> Alignment {
        let count = local.pairs.len();
        let ranking = local.ranking();
        let mut covered = vec![false; count];
        let mut best = Alignment::default();
        let mut tried = 0;
        for &seed in &ranking {
            if covered[seed] {
                continue;
            }
            if tried == ALIGNMENTS {
                break;
            }
            tried += 1;
            let mut group = vec![(local.pairs[seed], 1.0)];
            let agreements = &local.agree[seed * count..(seed + 1) * count];
            for ((&agree, &pair), covered) in agreements.iter().zip(&local.pairs).zip(&mut covered) {
                if agree > 0.3 {
                    group.push((pair, agree));
                    // pairs that agree this well would only try the same movement again
                    *covered |= agree > 0.6;
                }
            }
            if group.len() < 2 {
                continue;
            }
            let movement = Movement::through(a, b, &group);
            let alignment = self.try_movement(a, b, local, &movement);
            if alignment.worth() > best.worth() {
                best = alignment;
            }
        }
        best
    }

    fn try_movement(&mut self, a: &[Spot], b: &[Spot], local: &Local, first: &Movement) -> Alignment {
        self.moved.clear();
        self.moved.extend(a.iter().map(|spot| first.apply(f32::from(spot.x), f32::from(spot.y))));
        let rough = self.pair_up(a, b, local, first.turn, NEAR_PX + 3.0);
        if rough.len() < 3 {
            return self.sum_up(a, b, rough, first.turn);
        }
        let pairs: Vec<(Pair, f32)> = rough
            .iter()
            .map(|m| {
                let pair = Pair { a: m.a, b: m.b, ..Pair::default() };
                (pair, 0.1 + m.fit)
            })
            .collect();
        let movement = Movement::through(a, b, &pairs);
        self.moved.clear();
        self.moved.extend(a.iter().map(|spot| movement.apply(f32::from(spot.x), f32::from(spot.y))));
        self.drag(b, &rough);
        let matches = self.pair_up(a, b, local, movement.turn, NEAR_PX);
        self.sum_up(a, b, matches, movement.turn)
    }

    /// Skin stretches: every minutia goes along with what its matched neighbours were off by.
    fn drag(&mut self, b: &[Spot], matches: &[Match]) {
        let pulls: Vec<(f32, f32, f32, f32)> = matches
            .iter()
            .map(|m| {
                let (x, y) = self.moved[m.a];
                let to = &b[m.b];
                (x, y, f32::from(to.x) - x, f32::from(to.y) - y)
            })
            .collect();
        for place in &mut self.moved {
            // a weight at rest keeps lonely minutiae where they are
            let (mut weight, mut dx, mut dy) = (1.6f32, 0.0f32, 0.0f32);
            for &(x, y, pull_x, pull_y) in &pulls {
                let (ux, uy) = (x - place.0, y - place.1);
                let far = (ux * ux + uy * uy) / (DRAG_PX * DRAG_PX);
                // a pair must not drag itself together
                if far < 1e-6 {
                    continue;
                }
                let near = 1.0 / (1.0 + far * far);
                weight += near;
                dx += near * pull_x;
                dy += near * pull_y;
            }
            *place = (place.0 + dx / weight, place.1 + dy / weight);
        }
    }

    /// Pairs what falls together, nearest first, every minutia at most once.
    fn pair_up(&mut self, a: &[Spot], b: &[Spot], local: &Local, turn: u8, near_px: f32) -> Vec<Match> {
        let columns = b.len();
        self.close.clear();
        for (i, one) in a.iter().enumerate() {
            let (x, y) = self.moved[i];
            let angle = one.angle.wrapping_add(turn);
            for (j, other) in b.iter().enumerate() {
                let (dx, dy) = (f32::from(other.x) - x, f32::from(other.y) - y);
                if dx.abs() > near_px || dy.abs() > near_px {
                    continue;
                }
                let off = signed_byte(i32::from(other.angle) - i32::from(angle)).abs();
                let far = dx * dx + dy * dy;
                if far > near_px * near_px || off > TURN_STEPS {
                    continue;
                }
                let off = off as f32 / TURN_STEPS as f32;
                let cost = far / (near_px * near_px) + off * off - 0.4 * local.alike[i * columns + j];
                // at most MAX_SPOTS of each
                let (i, j) = (u16::try_from(i).unwrap_or(0), u16::try_from(j).unwrap_or(0));
                self.close.push((cost, i, j));
            }
        }
        self.close.sort_unstable_by(|p, q| p.0.total_cmp(&q.0).then((p.1, p.2).cmp(&(q.1, q.2))));
        let (mut used_a, mut used_b) = (0u64, 0u64);
        let mut matches = Vec::new();
        for &(cost, i, j) in &self.close {
            let (bit_a, bit_b) = (1u64 << i, 1u64 << j);
            if used_a & bit_a != 0 || used_b & bit_b != 0 {
                continue;
            }
            used_a |= bit_a;
            used_b |= bit_b;
            let (i, j) = (usize::from(i), usize::from(j));
            let alike = local.alike[i * columns + j];
            let apart = (cost + 0.4 * alike).max(0.0);
            matches.push(Match { a: i, b: j, fit: (1.0 - 0.6 * apart).max(0.0), alike });
        }
        matches
    }

    fn sum_up(&self, a: &[Spot], b: &[Spot], matches: Vec<Match>, turn: u8) -> Alignment {
        let weight = |quality: u8| 0.4 + 0.6 * f32::from(quality.min(80)) / 80.0;
        let matched = matches
            .iter()
            .map(|m| {
                let trust = weight(a[m.a].quality).min(weight(b[m.b].quality));
                trust * m.fit * (0.4 + 0.6 * (m.alike * 1.4).min(1.0))
            })
            .sum();
        // skin is where minutiae are near
        let mut expected_a = 0.0;
        for (spot, &(x, y)) in a.iter().zip(&self.moved) {
            let covered = b.iter().filter(|other| {
                let (dx, dy) = (f32::from(other.x) - x, f32::from(other.y) - y);
                dx * dx + dy * dy < 34.0 * 34.0
            });
            if covered.count() >= 2 {
                expected_a += weight(spot.quality);
            }
        }
        let mut expected_b = 0.0;
        for spot in b {
            let covered = self.moved.iter().filter(|&&(x, y)| {
                let (dx, dy) = (f32::from(spot.x) - x, f32::from(spot.y) - y);
                dx * dx + dy * dy < 34.0 * 34.0
            });
            if covered.count() >= 2 {
                expected_b += weight(spot.quality);
            }
        }
        Alignment { matches, expected_a, expected_b, matched, turn }
    }
}

/// The turn of a movement in degrees, for people.
pub(super) fn degrees(turn: u8) -> f32 {
    math::wrap_half(f32::from(turn) * (TAU / 256.0)) * (360.0 / TAU)
}
