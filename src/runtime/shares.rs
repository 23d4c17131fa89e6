//! Decides with what the functions of a new attempt begin, of what they kept per subtask.

use std::collections::{BTreeMap, BTreeSet};

use millstream_actors::ids::SubtaskId;
use millstream_actors::task::SubtaskSnapshot;

use crate::error::{Error, Result};
use crate::model;
use crate::operator::{OperatorState, Share, hand_out};

/// Hands out, block by block, what functions kept in each subtask.
///
/// A checkpoint is restored with as many subtasks as took it, so only unions change by this.
///
/// # Errors
/// If the state of a subtask cannot be decoded.
pub(crate) fn hand_out_shares(subtasks: &mut BTreeMap<SubtaskId, SubtaskSnapshot>) -> Result<()> {
    let mut states = BTreeMap::<SubtaskId, OperatorState>::new();
    for (id, part) in subtasks.iter().filter(|(_, part)| !part.state.is_empty()) {
        states.insert(*id, model::decode(&part.state).map_err(|source| Error::codec("the checkpoint", source))?);
    }
    let blocks: BTreeSet<_> = states.keys().map(|id| id.block).collect();
    for block in blocks {
        let ids: Vec<SubtaskId> = states.keys().copied().filter(|id| id.block == block).collect();
        let uids: BTreeSet<String> = ids.iter().flat_map(|id| states[id].shares().keys().cloned()).collect();
        for uid in uids {
            let had = ids.iter().map(|id| states[id].shares().get(&uid).cloned().unwrap_or_default());
            let had = had.collect::<Vec<Share>>();
            for ((id, before), begin) in ids.iter().zip(&had).zip(hand_out(&had, had.len())) {
                if begin == *before {
                    continue;
                }
                let (Some(state), Some(part)) = (states.get_mut(id), subtasks.get_mut(id)) else { continue };
                state.put_share(&uid, begin);
                part.state = model::encode(state).map_err(|source| Error::codec("the checkpoint", source))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use millstream_actors::time::Timestamp;

    use super::*;
    use crate::operator::{Portion, Sharing};

    /// A subtask's part of a checkpoint, with one state that has one element.
    fn part(sharing: Sharing, element: u8) -> SubtaskSnapshot {
        let portion = Portion { sharing, elements: vec![vec![element]] };
        let share = Share { watermark: Timestamp::from_millis(7), states: [("state".to_owned(), portion)].into() };
        let mut state = OperatorState::default();
        state.put_share("function", share);
        let state = model::encode(&state).expect("it can be encoded");
        SubtaskSnapshot { state, bytes: 0, drained: false }
    }

    fn elements(part: &SubtaskSnapshot) -> Vec<Vec<u8>> {
        let state = model::decode::<OperatorState>(&part.state).expect("it can be decoded");
        state.shares()["function"].states["state"].elements.clone()
    }

    #[test]
    fn unions_of_a_block_go_to_all_its_subtasks_and_lists_stay() {
        let id = SubtaskId::new;
        let (list, union) = (Sharing::Split, Sharing::Union);
        let mut subtasks = BTreeMap::from([
            (id(0, 0), part(union, 1)),
            (id(0, 1), part(union, 2)),
            (id(1, 0), part(union, 3)),
            (id(2, 0), part(list, 4)),
            (id(2, 1), part(list, 5)),
        ]);
        hand_out_shares(&mut subtasks).expect("all can be decoded");
        let begin = subtasks.values().map(|part| elements(part).concat()).collect::<Vec<_>>();
        assert_eq!(begin, [vec![1, 2], vec![1, 2], vec![3], vec![4], vec![5]]);
    }
}
