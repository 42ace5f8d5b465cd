//! Parts of a file on their way from a host to the thread that writes them.

use std::io::{self, Cursor, Read};

use kubeone_spec::Secret;
use tokio::sync::mpsc::{Receiver, Sender};

/// One is fetched while another is written.
const AT_ONCE: usize = 1;

pub(super) type Supply = Sender<Secret<Vec<u8>>>;

/// The file from its beginning to its end, for a thread that may wait.
pub(super) struct Parts {
    receiver: Receiver<Secret<Vec<u8>>>,
    part: Cursor<Vec<u8>>,
}

pub(super) fn channel() -> (Supply, Parts) {
    let (sender, receiver) = tokio::sync::mpsc::channel(AT_ONCE);
    (sender, Parts { receiver, part: Cursor::default() })
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.part.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.receiver.blocking_recv() {
                Some(part) => self.part = Cursor::new(part.into_inner()),
                None => return Ok(0),
            }
        }
    }
}
