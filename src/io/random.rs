//! A small random number generator whose numbers are the same on every machine and in every version.

/// SplitMix64: 64 bits of state, one multiplication chain per number. For made-up input, not for secrets.
///
/// # Source
/// Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl SplitMix64 {
    /// The generator started at `seed`.
    #[inline]
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The generator of item `index` of the input made from `seed`: started at number `index` of [`Self::new`].
    #[inline]
    #[must_use]
    pub fn of_item(seed: u64, index: u64) -> Self {
        let mut numbers = Self { state: seed.wrapping_add(STEP.wrapping_mul(index)) };
        Self { state: numbers.next_u64() }
    }

    /// The next number.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 if `bound` is 0. The bias is below `bound / 2^64`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number of at least 0 and below 1, with 53 random bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_algorithm() {
        let mut numbers = SplitMix64::new(0);
        let first = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F];
        assert_eq!([numbers.next_u64(), numbers.next_u64(), numbers.next_u64()], first);
        assert_eq!(SplitMix64::of_item(0, 2), SplitMix64::new(first[2]));
    }

    #[test]
    fn bounds_are_kept() {
        let mut numbers = SplitMix64::new(7);
        assert!((0..1_000).all(|_| numbers.below(3) < 3));
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&numbers.unit())));
        assert_eq!(numbers.below(0), 0);
    }
}
