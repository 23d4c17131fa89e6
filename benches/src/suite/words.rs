//! The lines of the word count: words of a Zipf distribution.

use compact_str::CompactString;

use crate::suite::generators::{mix64, pick_hi, rnd};

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

/// The most letters of a word.
const LONGEST: usize = 10;
/// How many bytes are copied with a word: as many as one instruction copies.
const COPIED: usize = 16;

/// The lines of the word count.
pub(crate) struct Lines {
    zipf: Zipf,
    /// Each word, filled up with anything, and its length.
    words: Vec<([u8; COPIED], u8)>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        let padded = |k| {
            let (word, mut letters) = (word(k), [b' '; COPIED]);
            letters[..word.len()].copy_from_slice(word.as_bytes());
            (letters, word.len() as u8)
        };
        Self { zipf: Zipf::new(), words: (0..VOCABULARY as u64).map(padded).collect() }
    }

    /// Line `g`, without its end.
    pub(crate) fn line(&self, g: u64) -> String {
        const LONGEST_LINE: usize = WORDS_PER_LINE as usize * (LONGEST + 1) + COPIED;
        let (mut line, mut end) = ([b' '; LONGEST_LINE], 0);
        for j in 0..WORDS_PER_LINE {
            let (letters, length) = &self.words[self.zipf.sample(rnd(SEED, g * WORDS_PER_LINE + j))];
            line[end..end + COPIED].copy_from_slice(letters);
            end += usize::from(*length);
            line[end] = b' ';
            end += 1;
        }
        str::from_utf8(&line[..end - 1]).expect("words are letters").to_owned()
    }
}

/// The words of a line, one after the other.
pub(crate) fn words_of(line: String) -> impl Iterator<Item = CompactString> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        let rest = line.get(begin..).filter(|rest| !rest.is_empty())?;
        let word = &rest[..rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len())];
        begin += word.len() + 1;
        Some(CompactString::from(word))
    })
}
