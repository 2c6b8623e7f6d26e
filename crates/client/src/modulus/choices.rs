//! Numbers of Modulus' client side, beside those of the [link](crate::Preset): value, bounds, and where each comes from.

use std::time::Duration;

use crate::link::Preset;

/// The longest message that is taken and sent, in bytes.
pub(super) const MESSAGE_BYTES: usize = 262_144;

/// Manners on the line: the house's, with longer messages.
pub(super) fn preset() -> Preset {
    Preset { message_bytes: MESSAGE_BYTES, ..Preset::default() }
}

model::settings! {
    /// How long things last and how many there may be.
    pub struct Choices {
        /// How long the outcome of a payment is awaited: as long as the gateway gives a terminal, and a little longer.
        pub payment_within: Duration = Duration::from_secs(930), 100..=86_400_000, Choice;
        /// How long a list of terminals is awaited.
        pub list_within: Duration = Duration::from_secs(10), 100..=600_000, Choice;
        /// How many payments may be without an outcome at once.
        pub payments_most: usize = 1_000, 1..=100_000, Choice;
        /// How many outcomes are remembered, so that a repeated one is not told twice.
        pub remembered_most: usize = 1_000, 1..=100_000, Choice;
        /// How long a terminal waits for the word about its result before it says it again.
        pub ack_within: Duration = Duration::from_secs(10), 100..=600_000, Choice;
        /// How many payments a terminal knows, those on its screen included.
        pub transactions_most: usize = 1_000, 1..=100_000, Choice;
        /// How long a call waits for a payment: longer than the 90 s the gateway holds it.
        pub long_poll_within: Duration = Duration::from_secs(100), 100..=600_000, Choice;
        /// How long any other call may take.
        pub call_within: Duration = Duration::from_secs(15), 100..=600_000, Choice;
        /// The pause before a transaction whose outcome is unknown is looked up again; it doubles.
        pub look_first: Duration = Duration::from_secs(1), 10..=600_000, Choice;
        /// The most that pause can be.
        pub look_most: Duration = Duration::from_secs(10), 10..=600_000, Choice;
    }
}
