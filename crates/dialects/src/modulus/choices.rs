//! Every number, switch and default of Modulus, with its mark.

use std::time::Duration;

model::settings! {
    /// Modulus' numbers and switches.
    pub struct Choices {
        /// Accept keys in the query too. They show in the logs of proxies.
        pub query_keys: bool = true, 0..=0, Doc;
        /// How long the look-up of a key, and being let in, may take.
        pub login_within: Duration = Duration::from_secs(10), 100..=600_000, Choice;
        /// A socket without any frame for so long is closed. Clients ping every 30 s.
        pub silent_after: Duration = Duration::from_secs(95), 1_000..=3_600_000, Choice;
        /// Bytes of a frame.
        pub frame_bytes: usize = 262_144, 1_024..=16_777_216, Choice;
        /// Frames a peer may send within `rate_span`; those beyond it are not executed.
        pub frames_per_span: u32 = 50, 1..=1_000_000, Choice;
        /// Frames within `rate_span` after which the socket is closed.
        pub frames_at_most: u32 = 100, 1..=2_000_000, Choice;
        /// The span of the frame limits; a peer over them is told once in each.
        pub rate_span: Duration = Duration::from_secs(1), 100..=3_600_000, Choice;
        /// Frames that are no message at all within `malformed_span` before the socket is closed.
        pub malformed_per_span: u32 = 20, 1..=10_000, Choice;
        /// The span of malformed frames.
        pub malformed_span: Duration = Duration::from_secs(60), 1_000..=3_600_000, Choice;
        /// How long a terminal with a device id counts as reconnecting, and its payment is held, after its socket ends.
        pub terminal_grace: Duration = Duration::from_secs(60), 0..=3_600_000, Doc;
        /// How long a terminal may take for a payment.
        pub answer_within: Duration = Duration::from_secs(900), 1_000..=86_400_000, Choice;
        /// How often a terminal that says that it never began a payment is given it again; then that fails.
        pub reoffers_most: u32 = 3, 0..=1_000, Choice;
        /// The pause before the second of those, and by how much each further one is longer; the first is at once.
        pub reoffer_pause: Duration = Duration::from_secs(1), 0..=3_600_000, Choice;
        /// How long an HTTP call waits for a payment.
        pub long_poll: Duration = Duration::from_secs(90), 100..=600_000, Doc;
        /// How far a signature's time may be from ours.
        pub clock_window: Duration = Duration::from_secs(300), 1_000..=86_400_000, Doc;
        /// How long a result is kept for a till that is away.
        pub owed_for: Duration = Duration::from_secs(86_400), 0..=2_592_000_000, Choice;
        /// Results kept for one till that is away; beyond it the oldest is given up.
        pub owed_at_most: u32 = 1_000, 1..=100_000, Choice;
        /// How long an ended payment is remembered in memory; afterwards it is read from the store.
        pub remember: Duration = Duration::from_secs(300), 1_000..=86_400_000, Choice;
        /// How often a terminal is told to reverse a late success, until it answers.
        pub void_every: Duration = Duration::from_secs(30), 100..=3_600_000, Choice;
        /// How long a reversal may take before an operator has to see to it.
        pub void_within: Duration = Duration::from_secs(600), 1_000..=86_400_000, Choice;
        /// Webhook endpoints a group may have.
        pub webhook_endpoints_most: usize = 16, 1..=1_000, Doc;
        /// After how long without an outcome `payment.timeout` is told.
        pub webhook_late: Duration = Duration::from_secs(90), 100..=86_400_000, Doc;
        /// How long an endpoint may take to answer one try.
        pub webhook_within: Duration = Duration::from_secs(10), 100..=60_000, Choice;
        /// How often an event is tried before it is given up; it is kept for an operator then.
        pub webhook_tries: u32 = 97, 1..=1_000, Choice;
        /// The pause between two tries of an event.
        pub webhook_pause: Duration = Duration::from_secs(900), 100..=86_400_000, Choice;
        /// Webhook endpoints may be without TLS and at addresses that are not public: for demos and closed networks.
        pub allow_private_webhook_targets: bool = false, 0..=0, Choice;
        /// Bytes of a terminal's own metadata.
        pub metadata_bytes: usize = 4_096, 0..=65_536, Choice;
        /// When a peer should come back after its part of the server had to start again.
        pub reload_pause: Duration = Duration::from_secs(1), 1_000..=600_000, Choice;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_own_bounds() {
        let mut choices = Choices::default();
        for setting in Choices::SETTINGS {
            let value = (setting.get)(&choices);
            assert_eq!((setting.set)(&mut choices, value), Ok(()), "{}", setting.name);
        }
        assert_eq!(choices, Choices::default());
    }
}
