//! One partition: sessions, presence, operations, mailboxes, events and limits, as one pure value.
