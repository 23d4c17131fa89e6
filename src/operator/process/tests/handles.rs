//! The kinds of state per key: what a function finds in them, with and without a time-to-live.

use std::time::Duration;

use super::clerk::{Clerk, Do, Said};
use crate::error::Result;
use crate::operator::States;
use crate::state::{Ttl, TtlUpdate};
use crate::testing::harness::{Element, OperatorHarness, processing_time, rec};

fn case(input: impl IntoIterator<Item = (char, Do)>, says: impl IntoIterator<Item = Said>) {
    OperatorHarness::process(Clerk::open).input(input.into_iter().map(rec)).expect(says.into_iter().map(rec));
}

fn ten() -> Ttl {
    Ttl::of(Duration::from_millis(10))
}

fn timed_case(ttl: Ttl, input: impl IntoIterator<Item = Element<(char, Do)>>, says: &[&[u64]]) {
    let says = says.iter().map(|numbers| rec(numbers.to_vec()));
    OperatorHarness::process(Clerk::with_ttl(ttl)).input(input).expect(says);
}

#[test]
fn value_is_of_its_key() {
    let input = [('a', Do::Set(7)), ('b', Do::Add(1)), ('a', Do::Add(2)), ('a', Do::Value), ('b', Do::Value)];
    case(input, [vec![9], vec![1]]);
    case([('a', Do::Set(7)), ('a', Do::Forget), ('a', Do::Value)], [vec![]]);
}

#[test]
fn entries_of_a_map_come_in_the_order_of_their_names() {
    let puts = [('a', Do::Put('z', 3)), ('a', Do::Put('x', 1)), ('b', Do::Put('x', 9)), ('a', Do::AddTo('y', 2))];
    let asks = [Do::Entries, Do::Between('x', 'y'), Do::Entry('y'), Do::Remove('y'), Do::Entries, Do::Entry('y')];
    let input = puts.into_iter().chain(asks.map(|ask| ('a', ask))).chain([('b', Do::Entries)]);
    case(input, [vec![1, 2, 3], vec![1, 2], vec![2], vec![1, 3], vec![], vec![9]]);
}

#[test]
fn list_keeps_the_order_in_which_it_was_filled_however_long_it_is() {
    let pushes = (0..100).map(|number| ('a', Do::Push(number)));
    let asks = [Do::List, Do::TakeList, Do::List, Do::Push(5), Do::Replace(6), Do::List];
    let all = (0..100).collect::<Said>();
    case(pushes.chain(asks.map(|ask| ('a', ask))), [all.clone(), all, vec![], vec![6]]);
}

#[test]
fn numbers_are_merged_and_averaged_per_key() {
    let input = [
        ('a', Do::Highest),
        ('a', Do::Average),
        ('a', Do::Raise(3)),
        ('a', Do::Raise(8)),
        ('b', Do::Raise(4)),
        ('a', Do::Raise(5)),
        ('a', Do::Weigh(2)),
        ('a', Do::Weigh(6)),
        ('a', Do::Highest),
        ('b', Do::Highest),
        ('a', Do::Average),
        ('b', Do::Average),
        ('a', Do::Forget),
        ('a', Do::Highest),
        ('a', Do::Average),
        ('b', Do::Highest),
    ];
    case(input, [vec![], vec![], vec![8], vec![4], vec![4], vec![], vec![], vec![], vec![4]]);
}

#[test]
fn ttl1_value_is_seen_until_its_time_has_passed() {
    let input =
        [rec(('a', Do::Set(7))), processing_time(9), rec(('a', Do::Value)), processing_time(10), rec(('a', Do::Value))];
    timed_case(ten(), input, &[&[7], &[]]);
}

#[test]
fn ttl1_reading_renews_a_value_where_that_counts() {
    let times = [9, 18, 28].map(|time| [processing_time(time), rec(('a', Do::Value))]);
    let input = [rec(('a', Do::Set(7)))].into_iter().chain(times.into_iter().flatten());
    timed_case(ten().updated(TtlUpdate::OnReadAndWrite), input, &[&[7], &[7], &[]]);
}

#[test]
fn changing_a_value_in_place_renews_it() {
    let times = [9, 18, 28].map(|time| [processing_time(time), rec(('a', Do::Value)), rec(('a', Do::Add(1)))]);
    let input = [rec(('a', Do::Set(7)))].into_iter().chain(times.into_iter().flatten());
    timed_case(ten(), input, &[&[7], &[8], &[]]);
}

#[test]
fn each_entry_and_each_element_lives_for_its_own_time() {
    let input = [
        rec(('a', Do::Put('x', 1))),
        rec(('a', Do::Push(1))),
        processing_time(5),
        rec(('a', Do::Put('y', 2))),
        rec(('a', Do::Push(2))),
        processing_time(9),
        rec(('a', Do::Entries)),
        rec(('a', Do::List)),
        processing_time(10),
        rec(('a', Do::Entries)),
        rec(('a', Do::Between('x', 'z'))),
        rec(('a', Do::AddTo('x', 5))),
        rec(('a', Do::Entry('x'))),
        rec(('a', Do::List)),
        processing_time(15),
        rec(('a', Do::Entries)),
        rec(('a', Do::TakeList)),
    ];
    timed_case(ten(), input, &[&[1, 2], &[1, 2], &[2], &[2], &[5], &[2], &[5], &[]]);
}

#[test]
fn reading_renews_each_entry_and_each_element_that_is_read() {
    let input = [
        rec(('a', Do::Put('x', 1))),
        rec(('a', Do::Put('y', 2))),
        rec(('a', Do::Push(1))),
        processing_time(9),
        rec(('a', Do::Between('x', 'x'))),
        rec(('a', Do::List)),
        processing_time(18),
        rec(('a', Do::Entries)),
        rec(('a', Do::List)),
        processing_time(28),
        rec(('a', Do::Entries)),
        rec(('a', Do::List)),
    ];
    timed_case(ten().updated(TtlUpdate::OnReadAndWrite), input, &[&[1], &[1], &[1], &[1], &[], &[]]);
}

#[test]
fn what_is_merged_and_averaged_begins_anew_when_its_time_has_passed() {
    let input = [
        rec(('a', Do::Raise(8))),
        rec(('a', Do::Weigh(8))),
        processing_time(9),
        rec(('a', Do::Highest)),
        rec(('a', Do::Average)),
        processing_time(10),
        rec(('a', Do::Raise(3))),
        rec(('a', Do::Weigh(3))),
        rec(('a', Do::Highest)),
        rec(('a', Do::Average)),
    ];
    timed_case(ten(), input, &[&[8], &[8], &[3], &[3]]);
}

/// Expects the function that `open` declares to be refused, with a message that has `part` in it.
fn refused(open: impl Fn(&mut States<'_, char>) -> Result<Clerk> + 'static, part: &str) {
    OperatorHarness::process(open).input([rec(('a', Do::Value))]).expect_error(part);
}

#[test]
fn name_that_is_used_twice_is_refused_whatever_the_kinds() {
    let twice = "function: two states are called 'value': give each a name of its own";
    refused(|states| states.list::<u64>("value").and_then(|_| Clerk::open(states)), twice);
    refused(|states| states.with_ttl(ten()).map::<u64, u64>("value").and_then(|_| Clerk::open(states)), twice);
    let timers = "a state is called 'processing timers'";
    refused(|states| states.value::<u64>("processing timers").and_then(|_| Clerk::open(states)), timers);
}
