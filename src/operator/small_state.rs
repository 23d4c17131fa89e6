//! The small state of operators, which lies in the manifest: named elements with a rule that says how they are shared out.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model;

/// What identifies a small state within its operator, and how it is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateKind<'a> {
    /// Its name. Those that the library gives have a `/` in them, which names that users give have not.
    pub name: &'a str,
    /// The rule by which its elements are shared out among subtasks.
    pub sharing: Sharing,
}

impl<'a> StateKind<'a> {
    /// Elements of which each is one subtask's.
    #[must_use]
    pub const fn split(name: &'a str) -> Self {
        Self { name, sharing: Sharing::Split }
    }

    /// Elements that are equal in all subtasks.
    #[must_use]
    pub const fn broadcast(name: &'a str) -> Self {
        Self { name, sharing: Sharing::Broadcast }
    }

    /// A number, of which the least counts where several subtasks become one.
    #[must_use]
    pub const fn min(name: &'a str) -> Self {
        Self { name, sharing: Sharing::Min }
    }

    /// A number, of which the greatest counts where several subtasks become one.
    #[must_use]
    pub const fn max(name: &'a str) -> Self {
        Self { name, sharing: Sharing::Max }
    }
}

/// The watermark that an operator has received.
pub(crate) const WATERMARK: StateKind<'_> = StateKind::min("time/watermark");

/// How many subtasks a source or sink has.
pub(crate) const PARALLELISM: StateKind<'_> = StateKind::broadcast("io/parallelism");

/// Whether an operator is in the middle of what it emits for the watermark that it has received.
pub(crate) const FIRING: StateKind<'_> = StateKind::max("time/firing");

/// How far the event time has come for which an operator has emitted everything.
pub(crate) const FIRED: StateKind<'_> = StateKind::min("time/fired");

/// How the elements of a state are shared out among subtasks that begin from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Sharing {
    /// Each element to one subtask. As long as their number does not change, each keeps its own.
    Split,
    /// All elements of all subtasks to each.
    Union,
    /// All subtasks have equal elements: each takes those of one.
    Broadcast,
    /// One number per subtask. As long as their number does not change, each keeps its own; else each takes the least.
    Min,
    /// The same with the greatest.
    Max,
    /// One number per subtask. As long as their number does not change, each keeps its own; else the first takes the sum.
    Sum,
}

/// What one subtask has of a small state: encoded elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Portion {
    pub(crate) sharing: Sharing,
    pub(crate) elements: Vec<Vec<u8>>,
}

/// The small states of one operator in one subtask, by name.
pub(crate) type Portions = BTreeMap<String, Portion>;

/// Takes the elements of a small state.
pub struct Elements<'a> {
    uid: &'a str,
    encoded: Vec<Vec<u8>>,
}

impl Elements<'_> {
    /// Adds an element.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn put<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<()> {
        self.encoded.push(model::encode(element).map_err(|source| Error::codec(self.uid, source))?);
        Ok(())
    }

    /// Adds an element that is encoded already.
    pub(crate) fn put_encoded(&mut self, element: Vec<u8>) {
        self.encoded.push(element);
    }
}

/// The small state of one subtask's operators in a snapshot, by uid: positions and pending transactions, not tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallStates {
    by_uid: BTreeMap<String, Portions>,
}

impl SmallStates {
    /// Puts a state of `uid`, with the elements that `elements` gives.
    ///
    /// # Errors
    /// If they cannot be encoded.
    pub fn put(
        &mut self,
        uid: &str,
        StateKind { name, sharing }: StateKind<'_>,
        elements: impl FnOnce(&mut Elements<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut into = Elements { uid, encoded: Vec::new() };
        elements(&mut into)?;
        let portion = Portion { sharing, elements: into.encoded };
        self.by_uid.entry(uid.to_owned()).or_default().insert(name.to_owned(), portion);
        Ok(())
    }

    /// The elements of a state of `uid`; none if the snapshot does not have it.
    ///
    /// # Errors
    /// If they cannot be decoded as `T`.
    pub fn get<T: DeserializeOwned>(&self, uid: &str, kind: StateKind<'_>) -> Result<Vec<T>> {
        let portion = self.by_uid.get(uid).and_then(|portions| portions.get(kind.name));
        let elements = portion.iter().flat_map(|portion| &portion.elements);
        elements.map(|element| model::decode(element).map_err(|source| Error::codec(uid, source))).collect()
    }

    /// Takes over everything from `other`.
    pub(crate) fn extend(&mut self, other: Self) {
        self.by_uid.extend(other.by_uid);
    }

    /// All states, by uid and name.
    pub(crate) fn by_uid(&self) -> &BTreeMap<String, Portions> {
        &self.by_uid
    }

    /// Puts all states of `uid`.
    pub(crate) fn put_portions(&mut self, uid: &str, portions: Portions) {
        self.by_uid.insert(uid.to_owned(), portions);
    }
}

/// What each of `parallelism` subtasks begins with, given what each had, in order.
///
/// # Errors
/// If the numbers of a state with [`Sharing::Min`], [`Sharing::Max`] or [`Sharing::Sum`] cannot be decoded.
///
/// # Source
/// Flink's redistribution of operator state: lists in turn, unions to all, and one of the equal copies to each.
pub(crate) fn share_out(had: &[Portions], parallelism: usize) -> Result<Vec<Portions>, model::CodecError> {
    let keeps_own = had.len() == parallelism;
    let mut begin = vec![Portions::new(); parallelism];
    let known: BTreeMap<&String, Sharing> =
        had.iter().flatten().map(|(name, portion)| (name, portion.sharing)).collect();
    for (name, sharing) in known {
        let of = |index: usize| had[index].get(name).map_or(&[][..], |portion| &portion.elements);
        let all = || (0..had.len()).flat_map(of);
        let numbers = || all().map(|number| model::decode::<i64>(number));
        let one = |number: Option<i64>| number.iter().map(model::encode).collect::<Result<Vec<_>, _>>();
        for (index, portions) in begin.iter_mut().enumerate() {
            let elements = match sharing {
                Sharing::Union => all().cloned().collect(),
                Sharing::Broadcast => of(index % had.len()).to_vec(),
                _ if keeps_own => of(index).to_vec(),
                Sharing::Split => all().skip(index).step_by(parallelism).cloned().collect(),
                Sharing::Min => one(numbers().collect::<Result<Vec<_>, _>>()?.into_iter().min())?,
                Sharing::Max => one(numbers().collect::<Result<Vec<_>, _>>()?.into_iter().max())?,
                Sharing::Sum if index == 0 => one(Some(numbers().sum::<Result<i64, _>>()?))?,
                Sharing::Sum => Vec::new(),
            };
            portions.insert(name.clone(), Portion { sharing, elements });
        }
    }
    Ok(begin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Portions of one state.
    fn portions(sharing: Sharing, elements: impl IntoIterator<Item = u8>) -> Portions {
        let elements = elements.into_iter().map(|element| vec![element]).collect();
        [("state".to_owned(), Portion { sharing, elements })].into()
    }

    fn elements(of: &[Portions]) -> Vec<Vec<u8>> {
        let elements = |of: &Portions| of.get("state").map_or(Vec::new(), |portion| portion.elements.concat());
        of.iter().map(elements).collect()
    }

    fn shared_out(had: &[Portions], parallelism: usize) -> Vec<Vec<u8>> {
        elements(&share_out(had, parallelism).expect("its numbers can be decoded"))
    }

    #[test]
    fn r5_list_of_five_on_one_subtask_is_three_and_two_on_two() {
        assert_eq!(shared_out(&[portions(Sharing::Split, 0..5)], 2), [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn r5_union_of_five_on_one_subtask_is_five_on_each_of_two() {
        let whole = vec![0, 1, 2, 3, 4];
        assert_eq!(shared_out(&[portions(Sharing::Union, 0..5)], 2), [whole.clone(), whole]);
    }

    #[test]
    fn broadcast_copies_go_to_more_subtasks_in_turn() {
        let had = [portions(Sharing::Broadcast, [1]), portions(Sharing::Broadcast, [2])];
        assert_eq!(shared_out(&had, 3), [[1], [2], [1]]);
        assert_eq!(shared_out(&had, 1), [[1]]);
    }

    #[test]
    fn each_subtask_keeps_its_list_as_long_as_their_number_does_not_change() {
        let had = [portions(Sharing::Split, [1, 2, 3]), portions(Sharing::Split, [4]), Portions::new()];
        assert_eq!(shared_out(&had, 3), [vec![1, 2, 3], vec![4], vec![]]);
    }

    #[test]
    fn numbers_stay_with_their_subtask_until_the_parallelism_changes() {
        let had = |sharing| [3u8, 5, 4].map(|number| portions(sharing, [number]));
        let alike = |sharing| shared_out(&had(sharing), 3);
        assert_eq!(alike(Sharing::Min), [[3], [5], [4]]);
        assert_eq!(alike(Sharing::Sum), [[3], [5], [4]]);
        assert_eq!(shared_out(&had(Sharing::Min), 2), [[3], [3]], "event time begins where the slowest subtask was");
        assert_eq!(shared_out(&had(Sharing::Max), 2), [[5], [5]]);
        assert_eq!(shared_out(&had(Sharing::Sum), 2), [vec![12], vec![]], "what was counted is counted once");
    }

    proptest! {
        #[test]
        fn no_element_of_a_list_is_lost_or_doubled_and_no_subtask_has_two_more_than_another(
            had in prop::collection::vec(prop::collection::vec(0u8..50, 0..9), 1..6),
            parallelism in 1usize..7,
        ) {
            let before = had.iter().map(|own| portions(Sharing::Split, own.iter().copied())).collect::<Vec<_>>();
            let begin = shared_out(&before, parallelism);
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
            let before = had.iter().map(|own| portions(Sharing::Union, own.iter().copied())).collect::<Vec<_>>();
            prop_assert_eq!(shared_out(&before, parallelism), vec![had.concat(); parallelism]);
        }
    }
}
