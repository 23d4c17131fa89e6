//! Decides how the bytes of a disk lie in memory: by pages, of which those that were never written take no memory.

use std::collections::BTreeMap;

/// The bytes of a disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    len: usize,
    pages: BTreeMap<usize, Box<[u8; PAGE_BYTES]>>,
}

const PAGE_BYTES: usize = 4096;

/// What of the range that begins at `offset` lies in its first page: the page, where in it, and how much.
fn first_piece(offset: usize, len: usize) -> (usize, usize, usize) {
    let within = offset % PAGE_BYTES;
    (offset / PAGE_BYTES, within, len.min(PAGE_BYTES - within))
}

impl Image {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Cuts off what is behind `len`, or adds zeros up to it.
    pub(super) fn resize(&mut self, len: usize) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE_BYTES));
            if let Some(last) = self.pages.get_mut(&(len / PAGE_BYTES)) {
                last[len % PAGE_BYTES..].fill(0);
            }
        }
        self.len = len;
    }

    /// Writes `bytes`, beyond the end if need be.
    pub(super) fn write(&mut self, mut offset: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (page, within, len) = first_piece(offset, bytes.len());
            let page = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE_BYTES]));
            page[within..within + len].copy_from_slice(&bytes[..len]);
            (offset, bytes) = (offset + len, &bytes[len..]);
        }
        self.len = self.len.max(offset);
    }

    /// Fills `out` from `offset` on. False if there are not so many bytes.
    #[must_use]
    pub(super) fn read(&self, mut offset: usize, mut out: &mut [u8]) -> bool {
        if offset.saturating_add(out.len()) > self.len {
            return false;
        }
        while !out.is_empty() {
            let (page, within, len) = first_piece(offset, out.len());
            let (piece, rest) = out.split_at_mut(len);
            match self.pages.get(&page) {
                Some(page) => piece.copy_from_slice(&page[within..within + len]),
                None => piece.fill(0),
            }
            (offset, out) = (offset + len, rest);
        }
        true
    }

    /// A checksum of the bytes.
    #[must_use]
    pub(super) fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.len.to_le_bytes());
        for (number, page) in self.pages.iter().filter(|(_, page)| page.iter().any(|byte| *byte != 0)) {
            hasher.update(&number.to_le_bytes());
            hasher.update(&page[..]);
        }
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(usize, Vec<u8>),
        Resize(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let write = (0usize..20_000, prop::collection::vec(any::<u8>(), 0..9_000));
        let step = prop_oneof![
            write.prop_map(|(offset, bytes)| Step::Write(offset, bytes)),
            (0usize..30_000).prop_map(Step::Resize),
        ];
        prop::collection::vec(step, 0..12)
    }

    proptest! {
        #[test]
        fn image_equals_plain_bytes(steps in steps()) {
            let (mut image, mut plain) = (Image::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Write(offset, bytes) => {
                        image.write(offset, &bytes);
                        if !bytes.is_empty() {
                            plain.resize(plain.len().max(offset + bytes.len()), 0);
                            plain[offset..offset + bytes.len()].copy_from_slice(&bytes);
                        }
                    }
                    Step::Resize(len) => {
                        image.resize(len);
                        plain.resize(len, 0);
                    }
                }
                let mut read = vec![1; plain.len()];
                prop_assert!(image.read(0, &mut read));
                prop_assert_eq!(&read, &plain);
                prop_assert!(!image.read(1, &mut read) || plain.is_empty());
            }
        }
    }
}
