//! Numbers that come out the same on every machine.
//!
//! Rust's own `+ - * /` and `sqrt` on `f32` are exact by the standard; sines, exponentials and
//! arc tangents are not, so they come from `libm`, which is plain Rust. Nothing in this crate may
//! call `f32::sin` and its relatives. The few lossy number conversions also live here.

use std::f32::consts::{PI, TAU};

pub(crate) fn sin(x: f32) -> f32 {
    libm::sinf(x)
}

pub(crate) fn cos(x: f32) -> f32 {
    libm::cosf(x)
}

pub(crate) fn exp(x: f32) -> f32 {
    libm::expf(x)
}

pub(crate) fn atan(x: f32) -> f32 {
    libm::atanf(x)
}

pub(crate) fn atan2(y: f32, x: f32) -> f32 {
    libm::atan2f(y, x)
}

/// A cheap, smooth, odd squashing into (-1, 1); used where a hyperbolic tangent would do.
pub(crate) fn squash(x: f32) -> f32 {
    x / (1.0 + x * x).sqrt()
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Brings a direction into [0, 2π).
pub(crate) fn wrap_turn(angle: f32) -> f32 {
    let turned = angle - TAU * (angle / TAU).floor();
    if turned >= TAU { 0.0 } else { turned }
}

/// Brings the difference of two directions into [-π, π).
pub(crate) fn wrap_half(angle: f32) -> f32 {
    wrap_turn(angle + PI) - PI
}

/// The largest whole number not above `x`.
#[expect(clippy::cast_possible_truncation, reason = "float to integer saturates")]
pub(crate) fn floor(x: f32) -> i32 {
    let cut = x as i32;
    if cut as f32 > x { cut - 1 } else { cut }
}

/// The nearest whole number.
pub(crate) fn round(x: f32) -> i32 {
    floor(x + 0.5)
}

/// The nearest index; negative numbers become 0.
pub(crate) fn index(x: f32) -> usize {
    usize::try_from(round(x)).unwrap_or(0)
}

/// The nearest grey value, saturating at black and white.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of a byte on this line")]
pub(crate) fn grey(x: f32) -> u8 {
    (x + 0.5).clamp(0.0, 255.0) as u8
}

/// A direction in radians as 1/256 of a turn.
pub(crate) fn turn_to_byte(angle: f32) -> u8 {
    let steps = round(wrap_turn(angle) * (256.0 / TAU)) & 0xff;
    u8::try_from(steps).unwrap_or(0)
}

/// 1/256 of a turn as a direction in radians.
pub(crate) fn byte_to_turn(steps: u8) -> f32 {
    f32::from(steps) * (TAU / 256.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_round_down_on_both_sides_of_zero() {
        assert_eq!([floor(1.9), floor(-0.1), floor(-2.0), round(-0.4)], [1, -1, -2, 0]);
        assert_eq!([grey(-3.0), grey(254.6), grey(900.0)], [0, 255, 255]);
    }

    #[test]
    fn directions_survive_the_trip_through_a_byte() {
        for steps in 0..=255u8 {
            assert_eq!(turn_to_byte(byte_to_turn(steps)), steps);
        }
        assert_eq!(turn_to_byte(TAU - 0.001), 0);
        assert!(wrap_half(3.5) < 0.0 && wrap_half(-3.5) > 0.0);
    }
}
