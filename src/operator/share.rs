//! Decides what each subtask begins with of what subtasks kept on their own, whatever their number was and is.

use std::collections::BTreeMap;

use millstream_actors::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What the function of one operator kept in one subtask: beside keyed state, which follows its key groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    /// The watermark that it had heard.
    pub(crate) watermark: Timestamp,
    /// Its states, by name.
    pub(crate) states: BTreeMap<String, Portion>,
}

/// What one subtask has of a state: encoded elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Portion {
    pub(crate) sharing: Sharing,
    pub(crate) elements: Vec<Vec<u8>>,
}

/// How the elements of a state are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sharing {
    /// Each element to one subtask. As long as their number does not change, each keeps its own.
    Split,
    /// All elements of all subtasks to each.
    Union,
    /// All subtasks have equal elements: each takes those of one.
    Broadcast,
}

impl Default for Share {
    fn default() -> Self {
        Self { watermark: Timestamp::MIN, states: BTreeMap::new() }
    }
}

/// What each of `parallelism` subtasks begins with, given what each had, in order.
///
/// # Source
/// Flink's redistribution of operator state: lists in turn, unions to all, and one of the equal copies to each.
pub(crate) fn hand_out(had: &[Share], parallelism: usize) -> Vec<Share> {
    // Event time is where the slowest of them was.
    let lowest = had.iter().map(|share| share.watermark).min().unwrap_or(Timestamp::MIN);
    let watermark = |index: usize| if had.len() == parallelism { had[index].watermark } else { lowest };
    let mut begin: Vec<Share> =
        (0..parallelism).map(|index| Share { watermark: watermark(index), states: BTreeMap::new() }).collect();
    let known: BTreeMap<&String, Sharing> =
        had.iter().flat_map(|share| &share.states).map(|(name, portion)| (name, portion.sharing)).collect();
    for (name, sharing) in known {
        let of = |index: usize| had[index].states.get(name).map_or(&[][..], |portion| &portion.elements);
        let all = || (0..had.len()).flat_map(of);
        for (index, share) in begin.iter_mut().enumerate() {
            let elements = match sharing {
                Sharing::Split if had.len() == parallelism => of(index).to_vec(),
                Sharing::Split => all().skip(index).step_by(parallelism).cloned().collect(),
                Sharing::Union => all().cloned().collect(),
                Sharing::Broadcast => of(index % had.len()).to_vec(),
            };
            share.states.insert(name.clone(), Portion { sharing, elements });
        }
    }
    begin
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A share with one state.
    fn share(sharing: Sharing, elements: impl IntoIterator<Item = u8>) -> Share {
        let elements = elements.into_iter().map(|element| vec![element]).collect();
        Share { states: [("state".to_owned(), Portion { sharing, elements })].into(), ..Share::default() }
    }

    fn elements(shares: &[Share]) -> Vec<Vec<u8>> {
        let of = |share: &Share| share.states.get("state").map_or(Vec::new(), |portion| portion.elements.concat());
        shares.iter().map(of).collect()
    }

    #[test]
    fn r5_list_of_five_on_one_subtask_is_three_and_two_on_two() {
        assert_eq!(elements(&hand_out(&[share(Sharing::Split, 0..5)], 2)), [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn r5_union_of_five_on_one_subtask_is_five_on_each_of_two() {
        let whole = vec![0, 1, 2, 3, 4];
        assert_eq!(elements(&hand_out(&[share(Sharing::Union, 0..5)], 2)), [whole.clone(), whole]);
    }

    #[test]
    fn broadcast_copies_go_to_more_subtasks_in_turn() {
        let had = [share(Sharing::Broadcast, [1]), share(Sharing::Broadcast, [2])];
        assert_eq!(elements(&hand_out(&had, 3)), [[1], [2], [1]]);
        assert_eq!(elements(&hand_out(&had, 1)), [[1]]);
    }

    #[test]
    fn each_subtask_keeps_its_list_as_long_as_their_number_does_not_change() {
        let had = [share(Sharing::Split, [1, 2, 3]), share(Sharing::Split, [4]), Share::default()];
        assert_eq!(elements(&hand_out(&had, 3)), [vec![1, 2, 3], vec![4], vec![]]);
    }

    #[test]
    fn event_time_begins_where_the_slowest_subtask_was() {
        let at = |millis| Share { watermark: Timestamp::from_millis(millis), ..Share::default() };
        let watermarks =
            |shares: Vec<Share>| shares.iter().map(|share| share.watermark.as_millis()).collect::<Vec<_>>();
        assert_eq!(watermarks(hand_out(&[at(5), at(3)], 2)), [5, 3]);
        assert_eq!(watermarks(hand_out(&[at(5), at(3)], 3)), [3, 3, 3]);
    }

    proptest! {
        #[test]
        fn no_element_of_a_list_is_lost_or_doubled_and_no_subtask_has_two_more_than_another(
            had in prop::collection::vec(prop::collection::vec(0u8..50, 0..9), 1..6),
            parallelism in 1usize..7,
        ) {
            let shares = had.iter().map(|own| share(Sharing::Split, own.iter().copied())).collect::<Vec<_>>();
            let begin = elements(&hand_out(&shares, parallelism));
            prop_assert_eq!(begin.len(), parallelism);
            let sorted = |lists: &[Vec<u8>]| {
                let mut all = lists.concat();
                all.sort_unstable();
                all
            };
            prop_assert_eq!(sorted(&begin), sorted(&had));
            if had.len() != parallelism {
                let sizes = begin.iter().map(Vec::len);
                prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
            }
        }

        #[test]
        fn every_subtask_has_all_elements_of_a_union_in_the_order_of_the_subtasks(
            had in prop::collection::vec(prop::collection::vec(0u8..50, 0..9), 1..6),
            parallelism in 1usize..7,
        ) {
            let shares = had.iter().map(|own| share(Sharing::Union, own.iter().copied())).collect::<Vec<_>>();
            prop_assert_eq!(elements(&hand_out(&shares, parallelism)), vec![had.concat(); parallelism]);
        }
    }
}
