//! Decides with what the functions of a new attempt begin, of what they kept per subtask.

use std::collections::{BTreeMap, BTreeSet};

use millstream_actors::ids::SubtaskId;
use millstream_actors::task::SubtaskSnapshot;

use crate::error::{Error, Result};
use crate::model;
use crate::operator::{Portions, SmallStates, share_out};

/// Shares out, block by block, the small state of each uid.
///
/// A checkpoint is restored with as many subtasks as took it, so only unions change by this.
///
/// # Errors
/// If the state of a subtask cannot be decoded.
pub(crate) fn share_out_all(subtasks: &mut BTreeMap<SubtaskId, SubtaskSnapshot>) -> Result<()> {
    let damaged = |source| Error::codec("the checkpoint", source);
    let mut states = BTreeMap::<SubtaskId, SmallStates>::new();
    for (id, part) in subtasks.iter().filter(|(_, part)| !part.state.is_empty()) {
        states.insert(*id, model::decode(&part.state).map_err(damaged)?);
    }
    let blocks: BTreeSet<_> = states.keys().map(|id| id.block).collect();
    for block in blocks {
        let ids: Vec<SubtaskId> = states.keys().copied().filter(|id| id.block == block).collect();
        let uids: BTreeSet<String> = ids.iter().flat_map(|id| states[id].by_uid().keys().cloned()).collect();
        for uid in uids {
            let had = ids.iter().map(|id| states[id].by_uid().get(&uid).cloned().unwrap_or_default());
            let had = had.collect::<Vec<Portions>>();
            let begins = share_out(&had, had.len()).map_err(damaged)?;
            for ((id, before), begin) in ids.iter().zip(&had).zip(begins) {
                if begin == *before {
                    continue;
                }
                let (Some(state), Some(part)) = (states.get_mut(id), subtasks.get_mut(id)) else { continue };
                state.put_portions(&uid, begin);
                part.state = model::encode(state).map_err(damaged)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Portion, Sharing};

    /// A subtask's part of a checkpoint, with one state that has one element.
    fn part(sharing: Sharing, element: u8) -> SubtaskSnapshot {
        let portion = Portion { sharing, elements: vec![vec![element]] };
        let mut state = SmallStates::default();
        state.put_portions("function", [("state".to_owned(), portion)].into());
        let state = model::encode(&state).expect("it can be encoded");
        SubtaskSnapshot { state, bytes: 0, drained: false }
    }

    fn elements(part: &SubtaskSnapshot) -> Vec<Vec<u8>> {
        let state = model::decode::<SmallStates>(&part.state).expect("it can be decoded");
        state.by_uid()["function"]["state"].elements.clone()
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
        share_out_all(&mut subtasks).expect("all can be decoded");
        let begin = subtasks.values().map(|part| elements(part).concat()).collect::<Vec<_>>();
        assert_eq!(begin, [vec![1, 2], vec![1, 2], vec![3], vec![4], vec![5]]);
    }
}
