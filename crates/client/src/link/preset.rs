//! How patient and how persistent a link is: every number, its default and where that comes from.

use std::time::Duration;

model::settings! {
    /// A dialect's manners on the line. The defaults are those of BOOP's vendors and scanners.
    ///
    /// ```
    /// use std::time::Duration;
    /// let impatient = client::Preset { answer_within: Duration::from_secs(3), ..client::Preset::default() };
    /// assert_eq!(impatient.ping_every, Duration::from_secs(30));
    /// ```
    pub struct Preset {
        /// How long opening a connection may take: name, TCP, TLS and upgrade together.
        pub connect_within: Duration = Duration::from_secs(10), 100..=300_000, Choice;
        /// How long the server may take to answer the login.
        pub login_within: Duration = Duration::from_secs(10), 100..=300_000, Choice;
        /// How often a ping goes out while logged in.
        pub ping_every: Duration = Duration::from_secs(30), 100..=3_600_000, Doc;
        /// How long after a ping anything must have been heard, or the connection counts as dead.
        pub answer_within: Duration = Duration::from_secs(10), 100..=300_000, Choice;
        /// How long the server may take to answer our close before the connection is dropped.
        pub close_within: Duration = Duration::from_secs(5), 100..=60_000, Choice;
        /// The most that the first pause before a reconnect can be.
        pub pause_first: Duration = Duration::from_secs(1), 1..=60_000, Doc;
        /// The most that any pause can be, doubling from the first, unless the server asks for more.
        pub pause_most: Duration = Duration::from_secs(30), 1..=3_600_000, Doc;
        /// The longest pause a server can ask for.
        pub hint_most: Duration = Duration::from_secs(600), 1..=86_400_000, Choice;
        /// How long a session must last before the pauses begin small again.
        pub stable_after: Duration = Duration::from_secs(60), 1..=3_600_000, Choice;
        /// After how many failed attempts in a row to give up; 0 for never, 1 for one connection however long it lasts.
        pub attempts_most: u32 = 0, 0..=1_000_000, Choice;
        /// How many messages wait for a login.
        pub queue_messages: usize = 100, 0..=100_000, Choice;
        /// How long a message waits for a login before it counts as expired and is not sent.
        pub queue_for: Duration = Duration::from_secs(30), 1..=3_600_000, Choice;
        /// The longest message that is sent, in bytes.
        pub message_bytes: usize = 65_536, 1_024..=16_777_216, Choice;
    }
}

impl Preset {
    /// One connection and no second, for looking whether a server is there.
    #[must_use]
    pub fn once() -> Self {
        Self { attempts_most: 1, ..Self::default() }
    }
}
