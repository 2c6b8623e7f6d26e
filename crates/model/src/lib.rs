//! Words everybody in the house shares; plain data, no behaviour that waits.
