//! Counterparts people can run: a palm scanner today, more with each dialect.
