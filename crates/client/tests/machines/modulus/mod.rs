//! Modulus' machines: the till's, the terminal's, and raw lines.

mod lines;
mod pos;
mod terminal;
