//! The arithmetic of the workloads: integers only, random access, the same numbers on every machine.

/// The increment of SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// What an identifier names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    User = 1,
    Page = 2,
    Ad = 3,
    Campaign = 4,
    Key = 5,
}

/// The finaliser of SplitMix64.
#[inline(always)]
pub fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Output `i` of SplitMix64 started at `seed`.
#[inline(always)]
pub fn rnd(seed: u64, i: u64) -> u64 {
    mix64(seed.wrapping_add(i.wrapping_add(1).wrapping_mul(GOLDEN)))
}

/// A uniform index below `n`, from the upper half of `r`.
#[inline(always)]
pub fn pick_hi(r: u64, n: u64) -> u64 {
    ((r >> 32) * n) >> 32
}

/// A uniform index below `n`, from the lower half of `r`.
#[inline(always)]
pub(crate) fn pick_lo(r: u64, n: u64) -> u64 {
    ((r & 0xFFFF_FFFF) * n) >> 32
}

/// An identifier that looks random.
#[inline(always)]
pub(crate) fn id64(kind: Kind, index: u64) -> u64 {
    mix64(((kind as u64) << 40).wrapping_add(index))
}

/// The text of an identifier, in the shape of a UUID.
pub(crate) type Uuid = [u8; 36];

/// An identifier as text.
pub(crate) fn uuid(kind: Kind, index: u64) -> Uuid {
    let high = id64(kind, index);
    let digits = format!("{high:016x}{:016x}", mix64(high));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    let mut text = [0; 36];
    text.copy_from_slice(parts.join("-").as_bytes());
    text
}

/// The checksum of a result of two numbers.
#[inline(always)]
pub fn h2(a: u64, b: u64) -> u64 {
    mix64(a ^ mix64(b))
}

/// The checksum of a result of three numbers.
#[inline(always)]
pub(crate) fn h3(a: u64, b: u64, c: u64) -> u64 {
    mix64(a ^ mix64(b ^ mix64(c)))
}

/// Java's `String.hashCode`, zero-extended.
#[inline]
pub(crate) fn java_hash(text: &str) -> u64 {
    u64::from(text.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))))
}

/// FNV-1a of 64 bits.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The key of record `g`, of `keys` many.
#[inline(always)]
pub fn key(seed: u64, g: u64, keys: u64) -> u64 {
    id64(Kind::Key, pick_hi(rnd(seed, g), keys))
}
