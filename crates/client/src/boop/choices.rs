//! Numbers of BOOP's client side, beside those of the [link](crate::Preset): value, bounds, and where each comes from.

use std::time::Duration;

model::settings! {
    /// How long things last and how many there may be.
    pub struct Choices {
        /// How long a context lives, by the vendor's page.
        pub context_life: Duration = Duration::from_secs(30), 100..=3_600_000, Doc;
        /// How much longer our own timer waits for the outcome to arrive.
        pub context_slack: Duration = Duration::from_secs(5), 0..=600_000, Choice;
        /// How many contexts may be without an outcome at once.
        pub contexts_most: usize = 1_000, 1..=100_000, Choice;
        /// How long a scanner waits for the word about its scan.
        pub ack_within: Duration = Duration::from_secs(10), 100..=600_000, Choice;
    }
}
