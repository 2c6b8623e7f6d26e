//! RFC 6455 framing without IO, for both roles, with no buffer while idle.
