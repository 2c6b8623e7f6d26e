//! Every number, switch and default of BOOP, with its mark.

use std::time::Duration;

model::settings! {
    /// BOOP's numbers and switches.
    pub struct Choices {
        /// How long a context is open.
        pub context_life: Duration = Duration::from_secs(30), 100..=600_000, Doc;
        /// Contexts a vendor may create within `rate_span`; refused ones do not count.
        pub contexts_per_span: u32 = 100, 1..=1_000_000, Doc;
        /// Frames a peer may send within `rate_span`; those beyond it are not executed.
        pub frames_per_span: u32 = 1_000, 1..=1_000_000, Doc;
        /// Frames within `rate_span` after which the socket is closed.
        pub frames_at_most: u32 = 2_000, 1..=2_000_000, Choice;
        /// The minute of the two limits.
        pub rate_span: Duration = Duration::from_secs(60), 100..=3_600_000, Doc;
        /// How often a peer over the frame limit is told so, at most.
        pub rate_told_every: Duration = Duration::from_secs(1), 1..=60_000, Choice;
        /// How long a socket may wait before it logs in, and for the answer to that.
        pub login_within: Duration = Duration::from_secs(10), 100..=600_000, Choice;
        /// A socket without any frame for so long is closed. Clients ping every 30 s.
        pub silent_after: Duration = Duration::from_secs(90), 1_000..=3_600_000, Choice;
        /// Bytes of a frame before login.
        pub frame_before_login: usize = 4_096, 256..=65_536, Choice;
        /// Bytes of a frame after login.
        pub frame_after_login: usize = 65_536, 1_024..=16_777_216, Choice;
        /// Frames in a row that are no message at all before the socket is closed.
        pub malformed_in_a_row: u32 = 10, 1..=1_000, Choice;
        /// Refuse a second socket of a vendor or scanner, instead of closing the first.
        pub reject_new: bool = false, 0..=0, Choice;
        /// How long a result is kept for a vendor that is away.
        pub owed_for: Duration = Duration::from_secs(60), 0..=86_400_000, Choice;
        /// Results kept for one vendor that is away; beyond it the oldest is given up.
        pub owed_at_most: u32 = 200, 1..=100_000, Choice;
        /// How long an ended context is remembered in memory, for repeats and late scans.
        pub remember: Duration = Duration::from_secs(300), 1_000..=86_400_000, Choice;
        /// Scans of unknown palms before a context fails; those before the last may be tried again.
        pub scan_attempts: u32 = 1, 1..=100, Choice;
        /// Contexts open at one scanner.
        pub contexts_per_scanner: u32 = 10_000, 1..=1_000_000, Choice;
        /// How long a scanner counts as away, not offline, after its socket ends.
        pub scanner_grace: Duration = Duration::from_secs(10), 0..=3_600_000, Choice;
        /// Attribute names in one context.
        pub attributes_per_context: usize = 64, 1..=1_024, Choice;
        /// Names that mean the same attribute, each as `asked=registry`; `-` and `_` are alike anyway.
        pub attribute_synonyms: Vec<String> = vec!["age_verified=age-verify".to_owned()], 0..=0, Choice;
        /// Attributes that are given out only when somebody trustworthy vouched for them.
        pub attested_attributes: Vec<String> = vec!["age-verify".to_owned()], 0..=0, Doc;
        /// The age that `require_age_verification` means, and up to which `age-verify` alone is proof.
        pub adult_age: u32 = 18, 1..=150, Choice;
        /// Believe scanners that name a registered user instead of a palm. For test servers only.
        pub test_user_ids: bool = false, 0..=0, Choice;
        /// When a peer should come back after its part of the server had to start again.
        pub reload_pause: Duration = Duration::from_secs(1), 1_000..=600_000, Choice;
    }
}

#[cfg(test)]
mod tests {
    use model::setting::Value;

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

    #[test]
    fn a_mistake_says_what_would_be_right() {
        let setting = Choices::SETTINGS.iter().find(|setting| setting.name == "context_life").unwrap();
        let told = (setting.set)(&mut Choices::default(), Value::Text("30".into())).unwrap_err();
        assert_eq!(told, "a duration from 100ms to 10m, such as \"30s\", \"250ms\" or \"5m\"");
    }
}
