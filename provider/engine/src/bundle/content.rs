//! What is inside a bundle, and whether it is what its description says.

use std::io::{self, Read};

use kubeone_facts::SnapshotContent;
use sha2::{Digest as _, Sha256};

/// Where the snapshot lies in what is encrypted, or in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) begin: u64,
    pub(super) size: u64,
}

/// Passes bytes on and remembers what they were.
pub(super) struct Weighed<R> {
    reader: R,
    size: u64,
    hash: Sha256,
}

impl<R: Read> Weighed<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, size: 0, hash: Sha256::new() }
    }

    /// Whether all that was read is this content.
    pub(super) fn is(self, content: &SnapshotContent) -> bool {
        self.size == content.size && hex::encode(self.hash.finalize()) == content.sha256
    }
}

impl<R: Read> Read for Weighed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
