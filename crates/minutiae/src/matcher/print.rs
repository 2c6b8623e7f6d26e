//! A view prepared for matching: where its minutiae are and what surrounds each of them.
//!
//! Around every minutia lies a disc of cells, turned with the minutia. A bit says whether other
//! minutiae lie near a cell, one layer of bits for each range of their relative direction. Discs
//! of the same minutia in two prints agree in most bits whatever the rotation and shift, which
//! finds the pairs to align by. (The idea is Cappelli's minutia cylinder code.)

use std::f32::consts::TAU;

use crate::image::WORKING_DPI;
use crate::math;
use crate::template::{Minutia, View};

/// Minutiae used for matching; of more the clearest are kept.
pub const MAX_SPOTS: usize = 64;
/// No print takes more memory than this.
///
/// Up to 44 minutiae keep their surroundings. With more the least clear of them go without, down
/// to 42 of 64: they still count when the prints lie on each other.
pub const MAX_PRINT_BYTES: usize = 2048;

pub(super) const LAYERS: usize = 5;
/// Cells along a side of the square around the disc.
const SIDE: usize = 8;
/// Radius of the disc, pixels at 500 dpi.
const RADIUS: f32 = 78.0;
/// Deviation of a minutia's influence, pixels.
const NEAR: f32 = 12.5;
/// Deviation of a minutia's influence on the layers of direction, radians.
const TURN: f32 = 0.62;
/// A cell further than this outside the hull of all minutiae says nothing, pixels.
const OUTSIDE: f32 = 26.0;
const BIT_AT: f32 = 0.12;

/// One minutia with its surroundings.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    /// Pixels at 500 dpi.
    pub(super) x: i16,
    /// Pixels at 500 dpi, downwards.
    pub(super) y: i16,
    /// 1/256 turns, counter-clockwise.
    pub(super) angle: u8,
    pub(super) quality: u8,
    /// Cells that can say something.
    pub(super) known: u64,
    pub(super) layers: [u64; LAYERS],
}

/// A view prepared for matching, 1.4 KiB with thirty minutiae, at most [`MAX_PRINT_BYTES`].
#[derive(Clone)]
pub struct Print {
    count: u8,
    /// Every minutia's place, angle and quality, then the discs of as many as fit.
    bytes: Box<[u8]>,
}

/// A minutia without its disc, packed: x, y, angle, quality.
const PLACE_BYTES: usize = 6;
/// A packed disc: what is known and five layers, 52 bits each, two of them in thirteen bytes.
const DISC_BYTES: usize = LAYERS.div_ceil(2) * TWO_BYTES;
const TWO_BYTES: usize = 13;
const CELL_BITS: u32 = 52;

/// How many of a print's minutiae keep their discs.
fn discs_of(count: usize) -> usize {
    let room = MAX_PRINT_BYTES - size_of::<Print>() - count * PLACE_BYTES;
    (room / DISC_BYTES).min(count)
}

impl Print {
    /// Prepares a view; any resolution is brought to 500 dpi.
    pub fn new(view: &View) -> Self {
        let mut minutiae: Vec<Minutia> = view.minutiae().to_vec();
        if discs_of(minutiae.len().min(MAX_SPOTS)) < minutiae.len() {
            minutiae.sort_by_key(|m| std::cmp::Reverse(m.quality));
            minutiae.truncate(MAX_SPOTS);
        }
        let frame = view.frame();
        let (scale_x, scale_y) = (view_scale(frame.x_per_cm), view_scale(frame.y_per_cm));
        let places: Vec<Place> = minutiae
            .iter()
            .map(|m| Place { x: f32::from(m.x) * scale_x, y: f32::from(m.y) * scale_y, angle: m.angle })
            .collect();
        let hull = Hull::around(&places);
        let discs = discs_of(places.len());
        let mut bytes = Vec::with_capacity(places.len() * PLACE_BYTES + discs * DISC_BYTES);
        for (place, minutia) in places.iter().zip(&minutiae) {
            bytes.extend(whole(place.x).to_le_bytes());
            bytes.extend(whole(place.y).to_le_bytes());
            bytes.extend([place.angle, minutia.quality]);
        }
        for place in &places[..discs] {
            disc(place, &places, &hull).pack(&mut bytes);
        }
        // at most MAX_SPOTS
        Self { count: u8::try_from(places.len()).unwrap_or(u8::MAX), bytes: bytes.into_boxed_slice() }
    }

    /// Replaces what `spots` held by this print's minutiae; without a disc nothing is known around one.
    pub(super) fn unpack(&self, spots: &mut Vec<Spot>) {
        let (places, discs) = self.bytes.split_at(self.len() * PLACE_BYTES);
        let mut discs = discs.chunks_exact(DISC_BYTES);
        spots.clear();
        spots.extend(places.chunks_exact(PLACE_BYTES).map(|place| {
            let Disc { known, layers } = discs.next().map(Disc::unpack).unwrap_or_default();
            Spot {
                x: i16::from_le_bytes([place[0], place[1]]),
                y: i16::from_le_bytes([place[2], place[3]]),
                angle: place[4],
                quality: place[5],
                known,
                layers,
            }
        }));
    }

    /// How many minutiae take part in matching.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes this print takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }
}

impl std::fmt::Debug for Print {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Print({} minutiae)", self.count)
    }
}

fn view_scale(per_cm: u16) -> f32 {
    let dpi = f32::from(per_cm) * 2.54;
    // 197 pixels per centimetre is how templates write 500 dpi
    if per_cm == 197 || per_cm == 0 { 1.0 } else { f32::from(WORKING_DPI) / dpi }
}

struct Place {
    x: f32,
    y: f32,
    angle: u8,
}

/// The surroundings of a minutia, a bit for each cell of the disc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Disc {
    known: u64,
    layers: [u64; LAYERS],
}

impl Disc {
    fn pack(&self, out: &mut Vec<u8>) {
        let [a, b, c, d, e] = self.layers;
        for (one, other) in [(self.known, a), (b, c), (d, e)] {
            let two = u128::from(one) | u128::from(other) << CELL_BITS;
            out.extend(&two.to_le_bytes()[..TWO_BYTES]);
        }
    }

    fn unpack(bytes: &[u8]) -> Self {
        let two = |number: usize| {
            let from = |start: usize| {
                let start = number * TWO_BYTES + start;
                bytes[start..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
            };
            // the second begins in the middle of the seventh byte
            (from(0) & ((1 << CELL_BITS) - 1), from(TWO_BYTES - 8) >> (64 - CELL_BITS))
        };
        let ((known, a), (b, c), (d, e)) = (two(0), two(1), two(2));
        Self { known, layers: [a, b, c, d, e] }
    }
}

fn disc(place: &Place, places: &[Place], hull: &Hull) -> Disc {
    let turn = math::byte_to_turn(place.angle);
    let (sin, cos) = (math::sin(turn), math::cos(turn));
    let step = 2.0 * RADIUS / SIDE as f32;
    let mut known = 0u64;
    let mut layers = [0u64; LAYERS];
    let mut cell = 0u32;
    let around: Vec<(&Place, [f32; LAYERS])> = places
        .iter()
        .filter(|other| {
            let (dx, dy) = (other.x - place.x, other.y - place.y);
            let far = dx * dx + dy * dy;
            far > 0.0 && far < (RADIUS + 3.0 * NEAR) * (RADIUS + 3.0 * NEAR)
        })
        .map(|other| (other, leanings(other.angle.wrapping_sub(place.angle))))
        .collect();
    for row in 0..SIDE {
        for column in 0..SIDE {
            let u = (column as f32 - 3.5) * step;
            let v = (row as f32 - 3.5) * step;
            if u * u + v * v > RADIUS * RADIUS {
                continue;
            }
            let bit = 1u64 << cell;
            cell += 1;
            // the disc turns with the minutia; y points down
            let x = place.x + u * cos - v * sin;
            let y = place.y - u * sin - v * cos;
            if hull.beyond(x, y) > OUTSIDE {
                continue;
            }
            known |= bit;
            let mut sums = [0.0f32; LAYERS];
            for (other, leanings) in &around {
                let (dx, dy) = (other.x - x, other.y - y);
                let far = (dx * dx + dy * dy) / (2.0 * NEAR * NEAR);
                if far < 4.5 {
                    let near = math::exp(-far);
                    for (sum, lean) in sums.iter_mut().zip(leanings) {
                        *sum += near * lean;
                    }
                }
            }
            for (layer, sum) in layers.iter_mut().zip(sums) {
                if sum > BIT_AT {
                    *layer |= bit;
                }
            }
        }
    }
    debug_assert_eq!(cell, CELL_BITS);
    Disc { known, layers }
}

/// How much a relative direction belongs to each layer.
fn leanings(relative: u8) -> [f32; LAYERS] {
    let turn = math::byte_to_turn(relative);
    std::array::from_fn(|layer| {
        let away = math::wrap_half(turn - TAU * layer as f32 / LAYERS as f32);
        math::exp(-away * away / (2.0 * TURN * TURN))
    })
}

fn whole(x: f32) -> i16 {
    i16::try_from(math::round(x)).unwrap_or(i16::MAX)
}

/// The convex hull of all minutiae.
struct Hull {
    corners: Vec<(f32, f32)>,
}

impl Hull {
    fn around(places: &[Place]) -> Self {
        let mut points: Vec<(f32, f32)> = places.iter().map(|p| (p.x, p.y)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        points.dedup();
        let mut corners = Vec::new();
        chain(points.iter().copied(), &mut corners);
        let lower = corners.len();
        chain(points.iter().rev().copied(), &mut corners);
        if corners.len() > lower && lower > 0 {
            corners.dedup();
        }
        Self { corners }
    }

    /// How far a point lies outside, 0 or less inside; large without any hull.
    fn beyond(&self, x: f32, y: f32) -> f32 {
        let count = self.corners.len();
        let mut worst = f32::MIN;
        for (place, &(ax, ay)) in self.corners.iter().enumerate() {
            let (bx, by) = self.corners[(place + 1) % count];
            let (ex, ey) = (bx - ax, by - ay);
            let length = (ex * ex + ey * ey).sqrt();
            if length > 0.0 {
                worst = worst.max((ey * (x - ax) - ex * (y - ay)) / length);
            }
        }
        if worst == f32::MIN { f32::MAX } else { worst }
    }
}

/// One half of the monotone chain.
fn chain(points: impl Iterator<Item = (f32, f32)>, corners: &mut Vec<(f32, f32)>) {
    let start = corners.len();
    for point in points {
        while corners.len() >= start + 2 {
            let (ax, ay) = corners[corners.len() - 2];
            let (bx, by) = corners[corners.len() - 1];
            if (bx - ax) * (point.1 - ay) - (by - ay) * (point.0 - ax) > 0.0 {
                break;
            }
            corners.pop();
        }
        corners.push(point);
    }
    corners.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hull_knows_inside_from_outside() {
        let places: Vec<Place> = [(0, 0), (100, 0), (100, 80), (0, 80), (50, 40), (50, 0)]
            .iter()
            .map(|&(x, y)| Place { x: x as f32, y: y as f32, angle: 0 })
            .collect();
        let hull = Hull::around(&places);
        assert_eq!(hull.corners.len(), 4);
        assert!(hull.beyond(50.0, 40.0) < -30.0);
        assert!((hull.beyond(50.0, 95.0) - 15.0).abs() < 1e-3);
    }

    #[test]
    fn a_disc_comes_back_as_it_was_packed() {
        let full = (1 << CELL_BITS) - 1;
        let disc = Disc { known: full, layers: [0, full, 1, 1 << (CELL_BITS - 1), 0x5_a5a5_5a5a_1234] };
        let mut bytes = Vec::new();
        disc.pack(&mut bytes);
        assert_eq!(bytes.len(), DISC_BYTES);
        assert_eq!(Disc::unpack(&bytes), disc);
    }

    #[test]
    fn no_print_outgrows_its_share_of_memory() {
        let frame = crate::template::Frame::at_500_dpi(256, 288);
        let mut spots = Vec::new();
        for count in (0..=70).chain([255u8]) {
            let minutiae = (0..count).map(|i| Minutia {
                x: u16::from(i),
                y: u16::from(i.wrapping_mul(77)),
                angle: i,
                kind: crate::template::Kind::Ending,
                quality: 100 - i % 100,
            });
            let print = Print::new(&View::new(frame, 80, minutiae.collect()).unwrap());
            assert!(print.size_bytes() <= MAX_PRINT_BYTES, "{count} minutiae: {} bytes", print.size_bytes());
            print.unpack(&mut spots);
            assert_eq!(spots.len(), usize::from(count).min(MAX_SPOTS));
            let discs = discs_of(spots.len());
            assert!(discs == spots.len().min(44) || (42..44).contains(&discs), "{count} minutiae: {discs} discs");
            // who goes without is the least clear
            assert!(spots[discs..].iter().all(|spot| spot.known == 0 && spot.quality <= spots[0].quality));
        }
    }

    #[test]
    fn a_hull_of_nothing_or_of_one_point_contains_nothing() {
        assert!(Hull::around(&[]).beyond(0.0, 0.0) > 1e9);
        let one = Place { x: 3.0, y: 3.0, angle: 0 };
        assert!(Hull::around(&[one]).beyond(3.0, 3.0) > 1e9);
    }
}
