//! Compares a topology with a hand-written loop for the same work, in turn, in one run.

use std::time::Duration;

const ROUNDS: usize = 5;

/// Prints the hand-written loop's time as a share of the topology's: 1 is as fast as by hand. Medians of five rounds,
/// in which the two take turns; the least and the greatest share tell how steady the machine was.
pub fn print_ratio(name: &str, mut topology: impl FnMut() -> Duration, mut by_hand: impl FnMut() -> Duration) {
    let mut shares = (0..ROUNDS).map(|_| by_hand().as_secs_f64() / topology().as_secs_f64()).collect::<Vec<_>>();
    shares.sort_by(f64::total_cmp);
    let (least, median, greatest) = (shares[0], shares[ROUNDS / 2], shares[ROUNDS - 1]);
    println!("{name}: {median:.2} of the hand-written loop's speed ({least:.2} to {greatest:.2})");
}
