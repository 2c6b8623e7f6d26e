//! The vendors' protocols, one folder each, as pure machines.
