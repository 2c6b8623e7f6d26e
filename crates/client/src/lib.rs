//! The SDK: pure machines for the other side of every dialect, and a thin async shell.
