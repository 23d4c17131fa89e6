//! Lookup joins in every mode.

use super::cases::{case, left, right};
use crate::operator::{Change, Either, LookupJoin};
use crate::testing::harness::{end, rec, rec_at};

#[test]
fn record_sees_the_row_as_it_is_when_it_comes() {
    let change_of = |value: i64| if value == 0 { Change::Delete } else { Change::Upsert(value) };
    let answer = |record: i64, row: Option<&i64>| Some((record, row.copied()));
    case(move |states| LookupJoin::open::<char>((change_of, answer), states))
        .input([
            left('a', 100, 10),
            right('a', 1, 50),
            left('a', 101, 11),
            right('a', 2, 3),
            left('b', 102, 11),
            rec(('a', Either::Left(103))),
            right('a', 0, 1),
            left('a', 104, 12),
            end(),
        ])
        .expect([
            rec_at((100, None), 10),
            rec_at((101, Some(1)), 11),
            rec_at((102, None), 11),
            rec((103, Some(2))),
            rec_at((104, None), 12),
            end(),
        ]);
}
