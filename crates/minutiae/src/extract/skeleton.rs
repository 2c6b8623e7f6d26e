//! Ridges one pixel wide: thinning, and walking along what is left.

use crate::plane::Plane;

/// The eight neighbours of a pixel, clockwise from the one above.
pub(crate) const AROUND: [(i32, i32); 8] = [(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)];

/// A one-pixel-wide drawing of the ridges; the outermost pixels are always empty.
#[derive(Clone)]
pub(crate) struct Skeleton {
    on: Plane<bool>,
    around: [isize; 8],
}

impl Skeleton {
    /// Thins ridges by peeling one side after the other, never breaking or shortening a line.
    pub(crate) fn of(ridges: &Plane<bool>) -> Self {
        let (width, height) = (ridges.width(), ridges.height());
        let on =
            Plane::from_fn(width, height, |x, y| ridges.at(x, y) && x > 0 && y > 0 && x + 1 < width && y + 1 < height);
        let stride = isize::try_from(width).unwrap_or(0);
        let mut skeleton = Self { on, around: AROUND.map(|(dx, dy)| dx as isize + dy as isize * stride) };
        let removable = removable_table();
        let mut left: Vec<usize> = (0..width * height).filter(|&place| skeleton.on.cells()[place]).collect();
        loop {
            let before = left.len();
            for side in [0, 4, 2, 6] {
                let peel: Vec<usize> = left.iter().copied().filter(|&place| !skeleton.neighbour(place, side)).collect();
                for place in peel {
                    if removable[usize::from(skeleton.ring(place))] {
                        skeleton.on.cells_mut()[place] = false;
                    }
                }
                left.retain(|&place| skeleton.on.cells()[place]);
            }
            if left.len() == before {
                return skeleton;
            }
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.on.width()
    }

    pub(crate) fn is_on(&self, place: usize) -> bool {
        self.on.cells()[place]
    }

    pub(crate) fn plane(&self) -> &Plane<bool> {
        &self.on
    }

    pub(crate) fn erase(&mut self, place: usize) {
        self.on.cells_mut()[place] = false;
    }

    /// Every pixel of the skeleton, rows from the top.
    pub(crate) fn places(&self) -> Vec<usize> {
        (0..self.on.cells().len()).filter(|&place| self.is_on(place)).collect()
    }

    fn beside(&self, place: usize, side: usize) -> usize {
        place.wrapping_add_signed(self.around[side])
    }

    fn neighbour(&self, place: usize, side: usize) -> bool {
        self.on.cells()[self.beside(place, side)]
    }

    /// The neighbours as bits, clockwise from above; only for pixels that are on.
    fn ring(&self, place: usize) -> u8 {
        let mut bits = 0;
        for side in 0..8 {
            bits |= u8::from(self.neighbour(place, side)) << side;
        }
        bits
    }

    /// How many lines leave a pixel that is on: 1 an ending, 2 a line, 3 a bifurcation.
    pub(crate) fn lines(&self, place: usize) -> u32 {
        let ring = self.ring(place);
        (ring & !ring.rotate_left(1)).count_ones()
    }

    /// The first pixel of every line that leaves a pixel, straight neighbours before diagonal ones.
    pub(crate) fn exits(&self, place: usize) -> Vec<usize> {
        let ring = self.ring(place);
        let mut exits = Vec::with_capacity(4);
        for side in [0, 2, 4, 6, 1, 3, 5, 7] {
            if ring >> side & 1 == 0 {
                continue;
            }
            // a diagonal beside a straight neighbour belongs to that neighbour's line
            let straight_beside = side % 2 == 1 && (ring >> (side - 1) & 1 == 1 || ring >> ((side + 1) % 8) & 1 == 1);
            if !straight_beside {
                exits.push(self.beside(place, side));
            }
        }
        exits
    }

    /// Follows a line from `from` through `first` for at most `limit` pixels.
    ///
    /// Stops on the first pixel that is not plain line (an ending, a bifurcation).
    pub(crate) fn walk(&self, from: usize, first: usize, limit: usize) -> Vec<usize> {
        let mut path = vec![first];
        let (mut before, mut here) = (from, first);
        while path.len() < limit {
            if self.lines(here) != 2 {
                break;
            }
            let next = self
                .exits(here)
                .into_iter()
                .find(|&place| place != before && !self.touches(place, before, from, &path));
            let Some(next) = next else { break };
            path.push(next);
            before = here;
            here = next;
        }
        path
    }

    /// Whether a step would go back beside where the walk came from.
    fn touches(&self, place: usize, before: usize, from: usize, path: &[usize]) -> bool {
        place == from || path.contains(&place) || {
            path.len() == 1 && self.around.iter().any(|&step| place.wrapping_add_signed(step) == before)
        }
    }
}

/// For every arrangement of neighbours: may the pixel go without breaking or shortening a line?
fn removable_table() -> [bool; 256] {
    std::array::from_fn(|ring| {
        let on = |side: usize| ring >> (side % 8) & 1 == 1;
        let count = (0..8).filter(|&side| on(side)).count();
        if !(2..=6).contains(&count) {
            return false;
        }
        // pieces of the ring as eight-connectivity joins them: a gap is an empty straight
        // neighbour before something that is on
        let pieces = [0, 2, 4, 6].into_iter().filter(|&side| !on(side) && (on(side + 1) || on(side + 2))).count();
        pieces == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skeleton(drawing: &[&str]) -> Skeleton {
        let width = drawing[0].len();
        Skeleton::of(&Plane::from_fn(width, drawing.len(), |x, y| drawing[y].as_bytes()[x] == b'#'))
    }

    #[test]
    fn a_thick_bar_becomes_a_line_with_two_endings() {
        let bar = skeleton(&[
            "....................",
            "..################..",
            "..################..",
            "..################..",
            "..################..",
            "....................",
        ]);
        let places = bar.places();
        let endings = places.iter().filter(|&&p| bar.lines(p) == 1).count();
        assert_eq!(endings, 2);
        assert!(places.len() >= 12 && places.len() <= 16, "{}", places.len());
    }

    #[test]
    fn a_fork_has_one_bifurcation_and_its_walks_reach_the_endings() {
        let fork = skeleton(&[
            "...................",
            ".##............###.",
            ".###.........###...",
            "...###.....###.....",
            ".....###.###.......",
            ".......####........",
            "........##.........",
            "........##.........",
            "........##.........",
            "........##.........",
            "...................",
        ]);
        let places = fork.places();
        let forks: Vec<usize> = places.iter().copied().filter(|&p| fork.lines(p) == 3).collect();
        assert_eq!(forks.len(), 1);
        let exits = fork.exits(forks[0]);
        assert_eq!(exits.len(), 3);
        for first in exits {
            let path = fork.walk(forks[0], first, 40);
            assert_eq!(fork.lines(*path.last().unwrap()), 1);
        }
    }
}
