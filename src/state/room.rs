//! Decides how vectors grow that may become long: so that what they hold is not copied.

/// Up to here, a vector grows as any other: to copy it takes a fraction of a millisecond.
pub(super) const SHORT_BYTES: usize = 1 << 20;
/// Allocators keep larger blocks apart from all others, and enlarge them by mapping their pages to other addresses.
pub(super) const APART_BYTES: usize = 33 << 20;

/// Adds `item` to `items`.
///
/// A vector that is long asks for a block that is large enough to be kept apart at once. Of that it takes addresses only,
/// until it uses them; and when it grows further, its pages are not copied.
#[inline]
pub(super) fn push<T>(items: &mut Vec<T>, item: T) {
    if items.len() == items.capacity() {
        make_room(items);
    }
    items.push(item);
}

#[cold]
fn make_room<T>(items: &mut Vec<T>) {
    let bytes = items.len() * size_of::<T>();
    if (SHORT_BYTES..APART_BYTES).contains(&bytes) {
        items.reserve_exact(APART_BYTES / size_of::<T>() - items.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_vectors_make_room_in_few_steps() {
        let mut items = Vec::new();
        let mut capacities = Vec::new();
        for item in 0..10_000_000u64 {
            push(&mut items, item);
            if capacities.last() != Some(&items.capacity()) {
                capacities.push(items.capacity());
            }
        }
        let long = capacities.iter().filter(|capacity| **capacity * 8 > 2 * SHORT_BYTES).count();
        assert_eq!(long, 3, "{capacities:?}");
        assert!(items.iter().copied().eq(0..10_000_000));
    }
}
