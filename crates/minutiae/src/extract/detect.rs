//! Minutiae on the skeleton, and throwing out those that dirt, pores and thinning invented.

use super::field::{CELL, Field, cell_place};
use super::skeleton::Skeleton;
use crate::math;
use crate::plane::Plane;
use crate::template::Kind;

/// An ending must keep this far from the rim of the finger, pixels: ridges end there anyway.
const RIM_PX: f32 = 12.0;
/// A spur is a side line shorter than this, pixels.
const SPUR_PX: usize = 9;
/// An island is a ridge shorter than this, pixels.
const ISLAND_PX: usize = 14;
/// A bridge or the arm of a lake is shorter than this, pixels.
const BRIDGE_PX: usize = 13;
/// Two endings that look at each other across less than this are one broken ridge, pixels.
const BREAK_PX: f32 = 13.0;
/// Two minutiae closer than this are one accident, pixels.
const CLOSE_PX: f32 = 6.0;
/// How far a line is followed for its direction, pixels.
const REACH_PX: usize = 11;

/// A minutia before it is cut down to a template's precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) x: f32,
    pub(crate) y: f32,
    /// Radians, counter-clockwise; from an ending into its ridge, from a fork into its valley.
    pub(crate) angle: f32,
    pub(crate) kind: Kind,
    /// How far the surroundings can be trusted, 0 to 1.
    pub(crate) trust: f32,
}

/// What the earlier stages know about the surroundings of a minutia.
pub(super) struct Ground<'a> {
    pub(super) field: &'a Field,
    pub(super) mask: &'a Plane<bool>,
    pub(super) clarity: &'a Plane<f32>,
}

/// Finds the minutiae of a skeleton and removes spurs from it; `done` hears of the stages.
pub(super) fn detect(skeleton: &mut Skeleton, ground: &Ground<'_>, done: &mut impl FnMut(&'static str)) -> Vec<Found> {
    remove_spurs(skeleton);
    done("clean");
    let depth = depth(ground.mask);
    let mut nodes = nodes(skeleton, ground, &depth);
    done("read off");
    mark_short_lines(skeleton, ground, &mut nodes);
    mark_breaks(&mut nodes);
    mark_close(&mut nodes);
    let found = nodes.iter().filter(|node| !node.false_alarm).map(|node| node.found).collect();
    done("clean");
    found
}

/// An ending or fork of the skeleton, and whether something spoke against it.
struct Node {
    place: usize,
    found: Found,
    false_alarm: bool,
}

fn remove_spurs(skeleton: &mut Skeleton) {
    for _ in 0..2 {
        for place in skeleton.places() {
            if !skeleton.is_on(place) || skeleton.lines(place) != 1 {
                continue;
            }
            let Some(&first) = skeleton.exits(place).first() else {
                skeleton.erase(place);
                continue;
            };
            let path = skeleton.walk(place, first, SPUR_PX);
            let Some(&last) = path.last() else { continue };
            if path.len() < SPUR_PX && skeleton.lines(last) >= 3 {
                skeleton.erase(place);
                for &step in &path[..path.len() - 1] {
                    skeleton.erase(step);
                }
            }
        }
    }
}

/// Distance in pixels from every cell to the nearest cell outside the finger or the image.
fn depth(mask: &Plane<bool>) -> Plane<f32> {
    let (columns, rows) = (mask.width(), mask.height());
    let straight = CELL as f32;
    let slant = straight * std::f32::consts::SQRT_2;
    // a rim of cells outside spares every edge its own case
    let mut steps = Plane::from_fn(columns + 2, rows + 2, |x, y| {
        let inside = x > 0 && y > 0 && x <= columns && y <= rows && mask.at(x - 1, y - 1);
        if inside { f32::MAX } else { 0.0 }
    });
    for y in 1..=rows {
        for x in 1..=columns {
            let above = steps.at(x - 1, y - 1).min(steps.at(x + 1, y - 1)) + slant;
            let near = steps.at(x - 1, y).min(steps.at(x, y - 1)) + straight;
            steps.set(x, y, steps.at(x, y).min(above).min(near));
        }
    }
    for y in (1..=rows).rev() {
        for x in (1..=columns).rev() {
            let below = steps.at(x - 1, y + 1).min(steps.at(x + 1, y + 1)) + slant;
            let near = steps.at(x + 1, y).min(steps.at(x, y + 1)) + straight;
            steps.set(x, y, steps.at(x, y).min(below).min(near));
        }
    }
    Plane::from_fn(columns, rows, |x, y| steps.at(x + 1, y + 1))
}

fn nodes(skeleton: &Skeleton, ground: &Ground<'_>, depth: &Plane<f32>) -> Vec<Node> {
    let width = skeleton.width();
    let mut nodes = Vec::new();
    for place in skeleton.places() {
        let kind = match skeleton.lines(place) {
            1 => Kind::Ending,
            3 => Kind::Bifurcation,
            _ => continue,
        };
        let (x, y) = ((place % width) as f32, (place / width) as f32);
        let (column, row) = (cell_place(x), cell_place(y));
        if depth.between(column, row) < RIM_PX {
            continue;
        }
        let Some(heading) = heading(skeleton, place, kind) else {
            continue;
        };
        let flow = ground.field.direction_at(x, y);
        let angle = if math::cos(heading - flow) >= 0.0 { flow } else { flow + std::f32::consts::PI };
        nodes.push(Node {
            place,
            found: Found { x, y, angle: math::wrap_turn(angle), kind, trust: ground.clarity.between(column, row) },
            false_alarm: false,
        });
    }
    nodes
}

/// The rough direction of a minutia from the lines that leave it.
fn heading(skeleton: &Skeleton, place: usize, kind: Kind) -> Option<f32> {
    let width = skeleton.width();
    let ends: Vec<(f32, f32)> = skeleton
        .exits(place)
        .into_iter()
        .filter_map(|first| {
            let path = skeleton.walk(place, first, REACH_PX);
            let &last = path.last()?;
            let dx = (last % width) as f32 - (place % width) as f32;
            let dy = (place / width) as f32 - (last / width) as f32;
            let length = (dx * dx + dy * dy).sqrt();
            (length > 0.0).then(|| (dx / length, dy / length))
        })
        .collect();
    match kind {
        Kind::Bifurcation => {
            if ends.len() < 3 {
                return None;
            }
            // the two lines closest in direction enclose the valley
            let mut best = (f32::MIN, 0.0, 0.0);
            for (i, a) in ends.iter().enumerate() {
                for b in &ends[i + 1..] {
                    let alike = a.0 * b.0 + a.1 * b.1;
                    if alike > best.0 {
                        best = (alike, a.0 + b.0, a.1 + b.1);
                    }
                }
            }
            Some(math::atan2(best.2, best.1))
        }
        Kind::Ending | Kind::Other => ends.first().map(|end| math::atan2(end.1, end.0)),
    }
}

/// Marks both ends of lines too short to be ridges: islands, bridges, arms of lakes.
fn mark_short_lines(skeleton: &Skeleton, ground: &Ground<'_>, nodes: &mut [Node]) {
    let width = skeleton.width();
    let mut owner = Plane::new(width, skeleton.plane().height(), usize::MAX);
    for (number, node) in nodes.iter().enumerate() {
        owner.cells_mut()[node.place] = number;
    }
    let mut guilty = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let mut reached = Vec::new();
        for first in skeleton.exits(node.place) {
            let path = skeleton.walk(node.place, first, ISLAND_PX);
            let Some(&last) = path.last() else { continue };
            let other = owner.cells()[last];
            if skeleton.lines(last) == 2 {
                continue;
            }
            if node.found.kind == Kind::Ending {
                // an ending whose ridge is an island, or a spur of a fork
                guilty.push(number);
                if other != usize::MAX {
                    guilty.push(other);
                }
                continue;
            }
            if other == usize::MAX || other == number {
                continue;
            }
            let fork = nodes[other].found.kind == Kind::Bifurcation;
            let dx = nodes[other].found.x - node.found.x;
            let dy = node.found.y - nodes[other].found.y;
            let along = math::cos(
                math::atan2(dy, dx)
                    - ground.field.direction_at(
                        (nodes[other].found.x + node.found.x) / 2.0,
                        (nodes[other].found.y + node.found.y) / 2.0,
                    ),
            )
            .abs();
            let short = path.len() < BRIDGE_PX;
            let bridge = fork && short && along < 0.8;
            let lake = fork && reached.contains(&other);
            if bridge || lake || (fork && path.len() < 6) {
                guilty.extend([number, other]);
            }
            reached.push(other);
        }
    }
    for number in guilty {
        nodes[number].false_alarm = true;
    }
}

/// Marks pairs of endings that look at each other across a gap: one ridge, broken.
fn mark_breaks(nodes: &mut [Node]) {
    for i in 0..nodes.len() {
        for j in i + 1..nodes.len() {
            let (a, b) = (nodes[i].found, nodes[j].found);
            if a.kind != Kind::Ending || b.kind != Kind::Ending {
                continue;
            }
            let (dx, dy) = (b.x - a.x, a.y - b.y);
            let gap = (dx * dx + dy * dy).sqrt();
            if gap > BREAK_PX {
                continue;
            }
            // each ridge runs away from the other ending
            let across = math::atan2(dy, dx);
            let away_a = math::cos(a.angle - across) < -0.75;
            let away_b = math::cos(b.angle - across) > 0.75;
            if gap < 4.0 || (away_a && away_b) {
                nodes[i].false_alarm = true;
                nodes[j].false_alarm = true;
            }
        }
    }
}

/// Of minutiae almost on top of each other at most the clearest survives.
fn mark_close(nodes: &mut [Node]) {
    for i in 0..nodes.len() {
        for j in i + 1..nodes.len() {
            if nodes[i].false_alarm || nodes[j].false_alarm {
                continue;
            }
            let (a, b) = (nodes[i].found, nodes[j].found);
            let (dx, dy) = (b.x - a.x, b.y - a.y);
            if dx * dx + dy * dy < CLOSE_PX * CLOSE_PX {
                let loser = if a.trust < b.trust { i } else { j };
                nodes[loser].false_alarm = true;
            }
        }
    }
}
