//! Everything CI checks, and what installs what it needs.
fn main() {}
