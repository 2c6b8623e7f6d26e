//! What must survive: one trait, SQLite and memory behind it, one conformance suite.
