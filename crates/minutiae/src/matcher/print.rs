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

/// A view prepared for matching, about 1.9 KiB.
#[derive(Clone)]
pub struct Print {
    pub(super) spots: Box<[Spot]>,
}

impl Print {
    /// Prepares a view; any resolution is brought to 500 dpi.
    pub fn new(view: &View) -> Self {
        let mut minutiae: Vec<Minutia> = view.minutiae().to_vec();
        if minutiae.len() > MAX_SPOTS {
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
        let spots =
            places.iter().zip(&minutiae).map(|(place, minutia)| spot(place, minutia.quality, &places, &hull)).collect();
        Self { spots }
    }

    /// How many minutiae take part in matching.
    pub fn len(&self) -> usize {
        self.spots.len()
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    /// Bytes this print takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.spots.len() * size_of::<Spot>()
    }
}

impl std::fmt::Debug for Print {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Print({} minutiae)", self.spots.len())
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

fn spot(place: &Place, quality: u8, places: &[Place], hull: &Hull) -> Spot {
    let turn = math::byte_to_turn(place.angle);
    let (sin, cos) = (math::sin(turn), math::cos(turn));
    let step = 2.0 * RADIUS / SIDE as f32;
    let mut known = 0u64;
    let mut layers = [0u64; LAYERS];
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
            // the disc turns with the minutia; y points down
            let x = place.x + u * cos - v * sin;
            let y = place.y - u * sin - v * cos;
            if hull.beyond(x, y) > OUTSIDE {
                continue;
            }
            let bit = 1u64 << (row * SIDE + column);
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
    Spot { x: whole(place.x), y: whole(place.y), angle: place.angle, quality, known, layers }
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
    fn a_hull_of_nothing_or_of_one_point_contains_nothing() {
        assert!(Hull::around(&[]).beyond(0.0, 0.0) > 1e9);
        let one = Place { x: 3.0, y: 3.0, angle: 0 };
        assert!(Hull::around(&[one]).beyond(3.0, 3.0) > 1e9);
    }
}
