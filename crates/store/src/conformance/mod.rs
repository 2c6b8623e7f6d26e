//! What every store must do, told once and tried on each of them.

pub(crate) mod given;

mod credentials;
mod hooks;
mod members;
mod operations;
mod random;
mod settles;

use tempfile::TempDir;

use crate::{Inspect, Memory, Sqlite};

/// Where a store's data stays between two openings.
pub(crate) trait Place {
    fn new() -> Self;
    fn open(&self) -> Box<dyn Inspect>;
}

impl Place for Memory {
    fn new() -> Self {
        Self::new()
    }

    fn open(&self) -> Box<dyn Inspect> {
        Box::new(self.clone())
    }
}

/// A folder that goes with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

impl Place for Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Box<dyn Inspect> {
        Box::new(Sqlite::open(self.path()).unwrap())
    }
}

macro_rules! on_both {
    ($($topic:ident: $($story:ident)*;)*) => {
        mod memory {
            $($(#[test] fn $story() { super::$topic::$story(&<crate::Memory as super::Place>::new()); })*)*
        }
        mod sqlite {
            $($(#[test] fn $story() { super::$topic::$story(&<super::Folder as super::Place>::new()); })*)*
        }
    };
}

on_both! {
    operations:
        what_is_accepted_is_there_as_it_was
        every_outcome_comes_back_as_it_was
        an_operation_accepted_twice_stays_as_it_was
        the_first_outcome_wins
        the_newest_operation_under_a_key_is_found
        operations_come_oldest_first_and_a_few_at_a_time
        a_ledger_is_read_a_page_at_a_time
        a_ledger_shows_what_a_filter_lets_pass
        a_new_owner_starts_from_what_runs_is_recent_or_is_owed
        a_load_gives_each_partition_its_own
        fences_rise_with_every_load_and_shut_out_older_owners
        a_fenced_batch_fails_alone
        a_batch_is_done_whole_or_not_at_all
        a_batch_cannot_touch_another_partition
        what_is_not_stored_cannot_end_or_be_owed
        mail_keeps_its_order_over_a_restart_until_it_is_paid
        late_answers_are_kept_in_order_up_to_a_bound
        what_is_old_is_forgotten_unless_it_took_money_runs_or_is_owed
        a_row_tells_what_came_after_its_outcome
        a_late_answer_and_what_makes_good_for_it_are_there_together_or_not_at_all
        what_makes_good_for_work_is_not_what_was_asked_for
        what_is_made_good_is_forgotten_after_that_has_ended_and_before_it
        devices_remember_when_they_were_last_seen
        a_new_owner_knows_the_devices_that_were_seen_lately
        a_new_owner_knows_so_many_devices_of_a_group_those_seen_last
        devices_not_seen_for_long_are_forgotten_after_old_operations
        more_writes_than_a_transaction_holds_are_answered_in_order;
    settles:
        a_payment_is_outcome_debit_and_mail_together
        a_second_settle_says_the_first_outcome_and_takes_nothing
        two_settles_in_one_batch_take_money_once
        what_goes_on_writes_nothing
        too_little_money_is_the_services_decision
        nobody_is_looked_up_when_the_subject_is_unknown
        a_subject_counts_in_its_own_network_only
        a_settle_sees_the_writes_of_its_batch
        a_debit_that_cannot_be_is_refused_with_everything_beside_it
        an_operation_that_is_not_stored_is_not_settled
        a_panicking_service_spoils_its_own_batch_only;
    credentials:
        credentials_come_back_as_they_were_oldest_first
        a_credential_may_need_a_certificate
        a_signing_secret_comes_back_as_it_was
        credentials_are_added_all_or_none
        a_rotation_overlaps
        every_change_has_a_version;
    hooks:
        endpoints_come_back_as_they_were_up_to_a_bound
        an_endpoint_is_changed_and_removed_by_its_own_group_only
        each_endpoint_is_told_what_it_wants
        what_is_late_is_told_before_the_outcome
        what_is_over_can_be_looked_at_and_sent_again
        endpoints_take_turns
        a_few_are_due_at_a_time_and_none_where_nothing_is_delivered
        what_is_announced_is_there_with_its_write_or_not_at_all
        what_endpoints_were_told_is_forgotten_with_its_operation;
    members:
        a_member_comes_back_as_it_was
        replacing_a_member_keeps_the_balance
        a_subject_belongs_to_one_member;
}
