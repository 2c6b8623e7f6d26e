//! A rectangle of values, and the smoothing every stage needs.

use crate::math;

/// Rows of values of one kind; the building block of every stage between image and template.
#[derive(Clone, PartialEq)]
pub(crate) struct Plane<T> {
    width: usize,
    height: usize,
    cells: Vec<T>,
}

impl<T: Copy> Plane<T> {
    pub(crate) fn new(width: usize, height: usize, value: T) -> Self {
        Self { width, height, cells: vec![value; width * height] }
    }

    pub(crate) fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> T) -> Self {
        let mut cells = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                cells.push(value(x, y));
            }
        }
        Self { width, height, cells }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    pub(crate) fn cells(&self) -> &[T] {
        &self.cells
    }

    pub(crate) fn cells_mut(&mut self) -> &mut [T] {
        &mut self.cells
    }

    pub(crate) fn row(&self, y: usize) -> &[T] {
        &self.cells[y * self.width..(y + 1) * self.width]
    }

    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.cells[y * self.width..(y + 1) * self.width]
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> T {
        self.cells[y * self.width + x]
    }

    pub(crate) fn set(&mut self, x: usize, y: usize, value: T) {
        self.cells[y * self.width + x] = value;
    }

    /// The value at a place that may lie outside.
    pub(crate) fn get(&self, x: i32, y: i32) -> Option<T> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        (x < self.width && y < self.height).then(|| self.at(x, y))
    }

    pub(crate) fn map<U: Copy>(&self, mut value: impl FnMut(T) -> U) -> Plane<U> {
        Plane { width: self.width, height: self.height, cells: self.cells.iter().map(|&cell| value(cell)).collect() }
    }
}

impl Plane<f32> {
    /// The value between four neighbours; places outside take the nearest edge.
    pub(crate) fn between(&self, x: f32, y: f32) -> f32 {
        let right = (self.width - 1) as f32;
        let bottom = (self.height - 1) as f32;
        let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
        let (left, top) = (math::floor(x), math::floor(y));
        let (dx, dy) = (x - left as f32, y - top as f32);
        let x0 = usize::try_from(left).unwrap_or(0);
        let y0 = usize::try_from(top).unwrap_or(0);
        let x1 = (x0 + 1).min(self.width - 1);
        let y1 = (y0 + 1).min(self.height - 1);
        let upper = self.at(x0, y0) + (self.at(x1, y0) - self.at(x0, y0)) * dx;
        let lower = self.at(x0, y1) + (self.at(x1, y1) - self.at(x0, y1)) * dx;
        upper + (lower - upper) * dy
    }

    /// Convolution with a Gaussian of the given deviation; edges are repeated.
    pub(crate) fn blurred(&self, deviation: f32) -> Self {
        let radius = math::index(deviation * 2.5 + 0.5).max(1);
        let mut kernel: Vec<f32> = (0..=2 * radius)
            .map(|i| {
                let d = i as f32 - radius as f32;
                math::exp(-d * d / (2.0 * deviation * deviation))
            })
            .collect();
        let sum: f32 = kernel.iter().sum();
        for tap in &mut kernel {
            *tap /= sum;
        }
        self.convolved_rows(&kernel).convolved_columns(&kernel)
    }

    fn convolved_rows(&self, kernel: &[f32]) -> Self {
        let radius = kernel.len() / 2;
        let mut out = Self::new(self.width, self.height, 0.0);
        let mut padded = vec![0.0f32; self.width + 2 * radius];
        for y in 0..self.height {
            let row = self.row(y);
            padded[..radius].fill(row[0]);
            padded[radius..radius + self.width].copy_from_slice(row);
            padded[radius + self.width..].fill(row[self.width - 1]);
            let target = out.row_mut(y);
            for (tap, &weight) in kernel.iter().enumerate() {
                let source = &padded[tap..tap + target.len()];
                for (value, &cell) in target.iter_mut().zip(source) {
                    *value += weight * cell;
                }
            }
        }
        out
    }

    fn convolved_columns(&self, kernel: &[f32]) -> Self {
        let radius = kernel.len() / 2;
        let mut out = Self::new(self.width, self.height, 0.0);
        for y in 0..self.height {
            for (tap, &weight) in kernel.iter().enumerate() {
                let line = (y + tap).saturating_sub(radius).min(self.height - 1);
                let target = &mut out.cells[y * self.width..(y + 1) * self.width];
                let source = &self.cells[line * self.width..(line + 1) * self.width];
                for (value, &cell) in target.iter_mut().zip(source) {
                    *value += weight * cell;
                }
            }
        }
        out
    }

    /// The mean over a square window of `2 * radius + 1` pixels, cut at the edges.
    pub(crate) fn box_mean(&self, radius: usize) -> Self {
        let mut rows = Self::new(self.width, self.height, 0.0);
        for y in 0..self.height {
            running_mean(self.row(y), radius, rows.row_mut(y));
        }
        let mut out = Self::new(self.width, self.height, 0.0);
        let mut sum = vec![0.0f64; self.width];
        let add = |sum: &mut [f64], y: usize, sign: f64| {
            for (total, &cell) in sum.iter_mut().zip(rows.row(y)) {
                *total += sign * f64::from(cell);
            }
        };
        for y in 0..radius.min(self.height) {
            add(&mut sum, y, 1.0);
        }
        for y in 0..self.height {
            if y + radius < self.height {
                add(&mut sum, y + radius, 1.0);
            }
            if y > radius {
                add(&mut sum, y - radius - 1, -1.0);
            }
            let count = (y + radius).min(self.height - 1) - y.saturating_sub(radius) + 1;
            let scale = 1.0 / count as f32;
            for (value, &total) in out.row_mut(y).iter_mut().zip(&sum) {
                *value = narrow(total) * scale;
            }
        }
        out
    }
}

fn running_mean(row: &[f32], radius: usize, out: &mut [f32]) {
    let width = row.len();
    let mut sum: f64 = row[..radius.min(width)].iter().copied().map(f64::from).sum();
    for x in 0..width {
        if x + radius < width {
            sum += f64::from(row[x + radius]);
        }
        if x > radius {
            sum -= f64::from(row[x - radius - 1]);
        }
        let count = (x + radius).min(width - 1) - x.saturating_sub(radius) + 1;
        out[x] = narrow(sum) / count as f32;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "sums are kept wide only against drift")]
fn narrow(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_a_flat_plane_flat_up_to_its_edges() {
        let plane = Plane::new(37, 23, 5.0f32);
        for smooth in [plane.box_mean(4), plane.box_mean(60), plane.blurred(2.0)] {
            assert!(smooth.cells().iter().all(|v| (v - 5.0).abs() < 1e-4));
        }
    }

    #[test]
    fn values_between_pixels_are_interpolated_and_outside_are_held() {
        let plane = Plane::from_fn(4, 3, |x, y| (x + 10 * y) as f32);
        assert!((plane.between(1.5, 0.5) - 6.5).abs() < 1e-5);
        assert!((plane.between(-9.0, 99.0) - 20.0).abs() < 1e-5);
        assert_eq!(plane.get(-1, 0), None);
        assert_eq!(plane.get(3, 2), Some(23.0));
    }
}
