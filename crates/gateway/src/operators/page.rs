//! What every list has in common: how much of it, and from where on.

use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;

/// Things on one page, when nobody says how many.
pub(super) const USUAL: usize = 100;
/// And at most.
pub(super) const MOST: usize = 500;

/// Which things of a list are wanted, where nothing but place and page choose.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this protocol.
    pub(super) dialect: Option<String>,
    /// Of this group; its dialect is needed too.
    pub(super) group: Option<String>,
    /// What an earlier page called `next`.
    pub(super) cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u64>,
}

/// How many things a page may hold.
pub(super) fn limit(asked: Option<u64>) -> Result<usize, Problem> {
    let Some(asked) = asked else { return Ok(USUAL) };
    let fits = usize::try_from(asked).ok().filter(|limit| (1..=MOST).contains(limit));
    fits.ok_or_else(|| Problem::bad(format!("limit: expected 1 to {MOST}")))
}

/// What is wrong with a cursor.
pub(super) fn bad_cursor() -> Problem {
    Problem::bad("cursor: expected what an earlier page called next")
}

/// Cuts a list that may be one too long; whether it was.
pub(super) fn cut<T>(list: &mut Vec<T>, limit: usize) -> bool {
    let more = list.len() > limit;
    list.truncate(limit);
    more
}
