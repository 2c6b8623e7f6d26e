//! The shell's own numbers and switches.

use std::time::Duration;

use model::Dialect;

use crate::networks::Networks;
use crate::proxied::ForwardedHeader;

model::settings! {
    /// The shell's settings: section `[gateway]` of the configuration.
    pub struct Settings {
        /// Threads that hold sockets; 0 for as many as the machine has, at most 8.
        pub cores: usize = 0, 0..=64, Choice;
        /// Connections the kernel may hold for us before we accept them.
        pub backlog: u32 = 4096, 128..=65535, Choice;
        /// Open connections; beyond it upgrades are answered 503 with Retry-After.
        pub connections_most: usize = 100_000, 1..=10_000_000, Choice;
        /// Connections from one address that may come at once; IPv6 addresses count by their first 64 bits.
        pub address_burst: u32 = 200, 1..=1_000_000, Choice;
        /// Connections a second from one address beyond those at once.
        pub address_rate: u32 = 20, 1..=1_000_000, Choice;
        /// Connections from this machine are not limited by address.
        pub address_loopback_exempt: bool = true, 0..=0, Choice;
        /// Connections from everywhere that may come at once.
        pub connections_burst: u32 = 2000, 1..=1_000_000, Choice;
        /// Connections a second from everywhere beyond those at once.
        pub connections_rate: u32 = 2000, 1..=1_000_000, Choice;
        /// How long a connection over a rate may wait in line before it is let in; who would wait longer is refused.
        pub admission_wait: Duration = Duration::from_secs(5), 0..=60_000, Choice;
        /// Over how long those refused together are told to come back.
        pub admission_spread: Duration = Duration::from_secs(5), 0..=600_000, Choice;
        /// Proxies that are believed when they say whom they speak for: address ranges such as `10.0.0.0/8`.
        pub trusted_proxies: Networks = Networks::default(), 0..=0, Choice;
        /// In which header trusted proxies say it: `x-forwarded-for` or `forwarded`.
        pub forwarded_header: ForwardedHeader = ForwardedHeader::XForwardedFor, 0..=0, Choice;
        /// How long a peer may take for the TLS handshake, and a proxy for its PROXY protocol header.
        pub tls_handshake_time: Duration = Duration::from_secs(10), 100..=300_000, Choice;
        /// How long a peer may take for one HTTP request, from its first byte to the end of our answer.
        pub handshake_time: Duration = Duration::from_secs(10), 100..=300_000, Choice;
        /// Headers a request may have.
        pub headers_most: usize = 64, 16..=256, Choice;
        /// Bytes of a request's line and headers together.
        pub header_bytes_most: usize = 16_384, 8192..=1_048_576, Choice;
        /// Bytes of an HTTP call's body; more is answered 413.
        pub call_body_most: usize = 262_144, 1024..=16_777_216, Choice;
        /// Bytes of bodies that a core reads at once; beyond it calls are answered 503 with Retry-After.
        pub call_bytes_most: usize = 67_108_864, 65_536..=4_294_967_296, Choice;
        /// HTTP calls that a core reads or that wait for their answer there; beyond it calls are answered 503 with Retry-After.
        pub calls_most: usize = 10_000, 1..=1_000_000, Choice;
        /// How long a call may wait for its answer before its connection is cut: longer than any dialect lets it wait.
        pub call_time: Duration = Duration::from_secs(300), 100..=3_600_000, Choice;
        /// Requests of operators that are answered at once; beyond it they are answered 503 with Retry-After.
        pub operator_requests_most: usize = 256, 1..=100_000, Choice;
        /// How long an operator's request may wait for an outcome, at most.
        pub operator_wait_most: Duration = Duration::from_secs(60), 0..=3_600_000, Choice;
        /// Operators that hear events at once; beyond it they are answered 503 with Retry-After.
        pub operator_streams_most: usize = 64, 1..=10_000, Choice;
        /// The last events that are kept, for operators who come back or are slow.
        pub operator_events_kept: usize = 10_000, 1..=1_000_000, Choice;
        /// Bytes of a message before a dialect says what it takes.
        pub message_first: usize = 4096, 128..=1_048_576, Choice;
        /// Bytes of answers that may wait for a peer that does not read; over it the peer is closed as slow.
        pub answers_most: usize = 65_536, 1024..=16_777_216, Choice;
        /// Bytes of telemetry that may wait for a peer that does not read; over it the oldest are dropped.
        pub telemetry_most: usize = 16_384, 1024..=16_777_216, Choice;
        /// How long a peer may take nothing of what waits for it before it is closed as slow.
        pub slow_time: Duration = Duration::from_secs(10), 100..=300_000, Choice;
        /// How long we wait for the peer's half of a close.
        pub close_wait: Duration = Duration::from_secs(3), 10..=60_000, Choice;
        /// Over how long connections are closed when we drain, at most, and over how long again they are told to come back.
        pub drain_spread: Duration = Duration::from_secs(5), 0..=600_000, Choice;
        /// How long after the drain the first are told to come back: the time a restart takes.
        pub drain_pause: Duration = Duration::from_secs(1), 0..=600_000, Choice;
        /// How long a drain may take before what is left is cut.
        pub drain_time: Duration = Duration::from_secs(8), 100..=600_000, Choice;
        /// How long ended operations that took no money are kept, and devices that do not come back; an id used within it is still a duplicate.
        pub history_time: Duration = Duration::from_secs(400 * 86_400), 86_400_000..=3_153_600_000_000, Choice;
        /// Listen without TLS on other than loopback addresses: only behind a proxy that ends TLS.
        pub allow_plaintext_behind_proxy: bool = false, 0..=0, Choice;
        /// Browser pages served from this machine (localhost, 127.0.0.1, ::1) may connect: for demos.
        pub origins_localhost: bool = false, 0..=0, Choice;
        /// Browser origins that may speak modulus, such as `https://shop.example`; `*` for any.
        pub origins_modulus: Vec<String> = Vec::new(), 0..=0, Choice;
        /// Browser origins that may speak fingerprint.
        pub origins_fingerprint: Vec<String> = Vec::new(), 0..=0, Choice;
        /// Browser origins that may speak fd1.
        pub origins_fd1: Vec<String> = Vec::new(), 0..=0, Choice;
        /// Browser origins that may speak ordernpay.
        pub origins_ordernpay: Vec<String> = Vec::new(), 0..=0, Choice;
        /// Browser origins that may speak boop.
        pub origins_boop: Vec<String> = Vec::new(), 0..=0, Choice;
    }
}

model::settings! {
    /// Certificates for the listeners that speak TLS: section `[tls]` of the configuration.
    pub struct Tls {
        /// The file of the certificate and those above it, in PEM.
        pub certificate: String = String::new(), 0..=0, Choice;
        /// The file of the certificate's private key, in PEM.
        pub key: String = String::new(), 0..=0, Choice;
        /// The file of the authorities whose certificates clients may show, in PEM; empty: none is asked for.
        pub client_ca: String = String::new(), 0..=0, Choice;
        /// Clients without a certificate are refused.
        pub client_required: bool = false, 0..=0, Choice;
        /// How often the files are looked at; SIGHUP looks at once.
        pub look_every: Duration = Duration::from_secs(10), 100..=86_400_000, Choice;
    }
}

impl Settings {
    /// The most cores taken without being told.
    const CORES_UNASKED: usize = 8;

    /// How many cores there will be.
    pub(crate) fn core_count(&self) -> u8 {
        let wanted = match self.cores {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(Self::CORES_UNASKED),
            cores => cores,
        };
        u8::try_from(wanted).unwrap_or(u8::MAX)
    }

    /// Answers waiting for a peer beyond which we read nothing more from it.
    pub(crate) const fn answers_high(&self) -> usize {
        self.answers_most / 2
    }

    /// Telemetry waiting for a peer below which there is room again.
    pub(crate) const fn telemetry_low(&self) -> usize {
        self.telemetry_most / 4
    }

    /// Whether a browser page of that origin may speak the dialect; when not, the setting that would allow it.
    ///
    /// # Errors
    /// The setting's name.
    pub(crate) fn origin_allowed(&self, dialect: Dialect, origin: &str) -> Result<(), &'static str> {
        let (listed, name) = match dialect {
            Dialect::Modulus => (&self.origins_modulus, "origins_modulus"),
            Dialect::Fingerprint => (&self.origins_fingerprint, "origins_fingerprint"),
            Dialect::Fd1 => (&self.origins_fd1, "origins_fd1"),
            Dialect::Ordernpay => (&self.origins_ordernpay, "origins_ordernpay"),
            Dialect::Boop => (&self.origins_boop, "origins_boop"),
        };
        let allowed = listed.iter().any(|one| one == "*" || one.trim_end_matches('/').eq_ignore_ascii_case(origin))
            || (self.origins_localhost && is_localhost(origin));
        if allowed { Ok(()) } else { Err(name) }
    }
}

/// Whether an origin is a page served from the machine its browser runs on, at any port.
fn is_localhost(origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else { return false };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
        rest.strip_prefix(host).is_some_and(|port| {
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_allowed_by_name_and_the_refusal_names_the_setting() {
        let settings = Settings { origins_boop: vec!["https://shop.example/".to_owned()], ..Settings::default() };
        assert_eq!(settings.origin_allowed(Dialect::Boop, "https://shop.example"), Ok(()));
        assert_eq!(settings.origin_allowed(Dialect::Boop, "https://shop.example.evil"), Err("origins_boop"));
        assert_eq!(settings.origin_allowed(Dialect::Fd1, "https://shop.example"), Err("origins_fd1"));
        assert_eq!(settings.origin_allowed(Dialect::Boop, "http://localhost:5173"), Err("origins_boop"));
    }

    #[test]
    fn localhost_is_this_machine_and_nothing_that_looks_like_it() {
        for origin in ["http://localhost", "http://localhost:5173", "https://127.0.0.1:8443", "http://[::1]:80"] {
            assert!(is_localhost(origin), "{origin}");
        }
        for origin in ["null", "http://localhost.evil", "http://localhost:80@evil", "file://localhost", "localhost"] {
            assert!(!is_localhost(origin), "{origin}");
        }
    }
}
