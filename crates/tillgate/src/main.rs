//! One self-hosted gateway between apps and the things on a shop counter.
fn main() {}
