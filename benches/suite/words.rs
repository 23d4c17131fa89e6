//! The lines of the word count: words of a Zipf distribution.

use crate::generators::{mix64, pick_hi, rnd};

/// How many different words there are.
pub(crate) const VOCABULARY: usize = 100_000;
/// How many words a line has.
pub(crate) const WORDS_PER_LINE: u64 = 10;
const SEED: u64 = 1001;

/// The word of rank `k`: a few letters of the first half of the alphabet, then `k` in base 13 with the second half.
pub(crate) fn word(k: u64) -> String {
    let x = mix64(0x574F_5244 + k);
    let len = 1 + (x & 0xFFFF) % 5;
    let mut word = (0..len).map(|i| b'a' + (((x >> (16 + 8 * i)) & 0xFF) % 13) as u8).collect::<Vec<_>>();
    let (mut digits, mut rest) = (Vec::new(), k);
    loop {
        digits.push(b'n' + (rest % 13) as u8);
        rest /= 13;
        if rest == 0 {
            break;
        }
    }
    word.extend(digits.iter().rev());
    word.into_iter().map(char::from).collect()
}

/// Zipf's distribution over the vocabulary, by an alias table (Vose, 1991) in integers.
struct Zipf {
    slots: Vec<(u32, u32)>,
}

impl Zipf {
    fn new() -> Self {
        let mut weights = (0..VOCABULARY as u64).map(|k| (1u64 << 30) / (k + 1)).collect::<Vec<_>>();
        let total = weights.iter().sum::<u64>();
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (k, weight) in weights.iter_mut().enumerate() {
            *weight *= VOCABULARY as u64;
            if *weight < total { small.push(k) } else { large.push(k) }
        }
        let mut slots = vec![(0, 0); VOCABULARY];
        while let (Some(&s), Some(&l)) = (small.last(), large.last()) {
            small.pop();
            large.pop();
            slots[s] = (((weights[s] << 29) / total) as u32, l as u32);
            weights[l] -= total - weights[s];
            if weights[l] < total { small.push(l) } else { large.push(l) }
        }
        for rest in large.into_iter().chain(small) {
            slots[rest] = (1 << 29, rest as u32);
        }
        Self { slots }
    }

    #[inline(always)]
    fn sample(&self, r: u64) -> usize {
        let slot = pick_hi(r, VOCABULARY as u64) as usize;
        let (threshold, alias) = self.slots[slot];
        if ((r & ((1 << 29) - 1)) as u32) < threshold { slot } else { alias as usize }
    }
}

/// The lines of the word count.
pub(crate) struct Lines {
    zipf: Zipf,
    words: Vec<String>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { zipf: Zipf::new(), words: (0..VOCABULARY as u64).map(word).collect() }
    }

    /// Line `g`, without its end.
    pub(crate) fn line(&self, g: u64) -> String {
        let mut line = String::with_capacity(96);
        for j in 0..WORDS_PER_LINE {
            if j > 0 {
                line.push(' ');
            }
            line.push_str(&self.words[self.zipf.sample(rnd(SEED, g * WORDS_PER_LINE + j))]);
        }
        line
    }
}
