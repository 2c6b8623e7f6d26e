//! Growing ridges: noise, filtered again and again along the flow, becomes a finger.
//!
//! The growing is done at half size, where it is four times cheaper and a filter an eighth of the
//! work, then the result is enlarged and filtered once more at full size.

use crate::dice::Dice;
use crate::gabor::{Bank, Spread};
use crate::math;
use crate::plane::Plane;

const DIRECTIONS: usize = 48;
const ROUNDS: usize = 26;

const COARSE: Spread = Spread { across: 0.42, along: 0.47, radius: 7 };
const FINE: Spread = Spread { across: 0.40, along: 0.42, radius: 9 };

/// The flow and the ridge period (in full-size pixels) at every place.
pub(super) struct Plan {
    pub(super) direction: Plane<f32>,
    pub(super) period: Plane<f32>,
}

/// Ridges (towards 1) and valleys (towards -1) for a plan whose sides are even.
pub(super) fn grow(plan: &Plan, dice: &mut Dice) -> Plane<f32> {
    let (width, height) = (plan.direction.width(), plan.direction.height());
    let periods: Vec<f32> = (0..10).map(|step| 6.6 + 0.6 * step as f32).collect();
    let halves: Vec<f32> = periods.iter().map(|p| p / 2.0).collect();

    let coarse = Bank::new(DIRECTIONS, &halves, COARSE);
    let choice = Plane::from_fn(width / 2, height / 2, |x, y| {
        Some(coarse.pick(plan.direction.at(2 * x, 2 * y), plan.period.at(2 * x, 2 * y) / 2.0))
    });
    let mut ridges = Plane::from_fn(width / 2, height / 2, |_, _| dice.normal());
    for _ in 0..ROUNDS {
        ridges = coarse.filtered(&ridges, &choice).map(|v| math::squash(2.2 * v));
    }

    let fine = Bank::new(DIRECTIONS, &periods, FINE);
    let choice = Plane::from_fn(width, height, |x, y| Some(fine.pick(plan.direction.at(x, y), plan.period.at(x, y))));
    let enlarged = Plane::from_fn(width, height, |x, y| ridges.between(x as f32 / 2.0, y as f32 / 2.0));
    fine.filtered(&enlarged, &choice).map(|v| math::squash(1.8 * v))
}
