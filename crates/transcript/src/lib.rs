//! The transcript language and the World that plays it (dev only).
