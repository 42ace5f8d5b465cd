//! What a script prints, kept as it comes, and never more of it than was agreed.

use super::STARTED;

/// Login and sudo print a greeting or the reason of a refusal, and no more.
const MOST_NOISE: usize = 64 << 10;

/// Which part of a long output is wanted.
#[derive(Clone, Copy, Debug)]
enum Keep {
    /// All of it: more than so many bytes make the answer unusable.
    All(usize),
    /// The end: a script that fails says why last. Still no script may go on printing forever.
    Tail { kept: usize, most: usize },
}

/// One stream of a script that runs.
#[derive(Debug)]
pub(crate) struct Capture {
    keep: Keep,
    bytes: Vec<u8>,
    /// Printed since the script started.
    printed: usize,
    started: bool,
}

/// More was printed than is accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow {
    pub(crate) limit: usize,
    /// Whether the script had started; before that it was login or sudo that printed.
    pub(crate) started: bool,
}

impl Capture {
    /// Keeps everything, up to a limit.
    pub(crate) fn all(limit: usize) -> Self {
        Self::new(Keep::All(limit))
    }

    /// Keeps the last `kept` bytes of at most `most`.
    pub(crate) fn tail(kept: usize, most: usize) -> Self {
        Self::new(Keep::Tail { kept, most })
    }

    fn new(keep: Keep) -> Self {
        Self { keep, bytes: Vec::new(), printed: 0, started: false }
    }

    pub(crate) fn push(&mut self, data: &[u8]) -> Result<(), Overflow> {
        if self.started {
            return self.own(data);
        }
        // The line may come in two pieces.
        let seen = self.bytes.len().saturating_sub(STARTED.len());
        self.bytes.extend_from_slice(data);
        let mark = STARTED.as_bytes();
        if let Some(position) = self.bytes[seen..].windows(mark.len()).position(|window| window == mark) {
            self.started = true;
            let own = self.bytes.split_off(seen + position + mark.len());
            self.bytes.clear();
            return self.own(&own);
        }
        if self.bytes.len() > MOST_NOISE {
            self.bytes = Vec::new();
            return Err(Overflow { limit: MOST_NOISE, started: false });
        }
        Ok(())
    }

    fn own(&mut self, data: &[u8]) -> Result<(), Overflow> {
        self.printed = self.printed.saturating_add(data.len());
        let (kept, most) = match self.keep {
            Keep::All(limit) => (limit, limit),
            Keep::Tail { kept, most } => (kept, most),
        };
        if self.printed > most {
            self.bytes = Vec::new();
            return Err(Overflow { limit: most, started: true });
        }
        self.bytes.extend_from_slice(data);
        // Not at each piece: what is moved to the front is moved once for as much as is kept.
        if self.bytes.len() > kept.saturating_mul(2) {
            self.bytes.drain(..self.bytes.len() - kept);
        }
        Ok(())
    }

    /// What the script printed, or, when it never started, what was printed instead of it.
    pub(super) fn into_text(mut self) -> Result<String, String> {
        if let Keep::Tail { kept, .. } = self.keep {
            self.bytes.drain(..self.bytes.len().saturating_sub(kept));
        }
        let text = String::from_utf8(self.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if self.started { Ok(text.trim_start_matches('\n').to_owned()) } else { Err(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pieces: &[&str], mut capture: Capture) -> Result<String, String> {
        for piece in pieces {
            capture.push(piece.as_bytes()).unwrap();
        }
        capture.into_text()
    }

    #[test]
    fn the_mark_is_found_wherever_the_stream_is_cut() {
        let whole = format!("welcome\n{STARTED}\nreal\n");
        for cut in 0..=whole.len() {
            let pieces = [&whole[..cut], &whole[cut..]];
            assert_eq!(text(&pieces, Capture::all(100)).as_deref(), Ok("real\n"), "cut at {cut}");
        }
        assert_eq!(text(&["sudo: ", "no"], Capture::all(100)).unwrap_err(), "sudo: no");
    }

    #[test]
    fn more_than_the_limit_is_refused_and_let_go_of() {
        let mut capture = Capture::all(10);
        capture.push(STARTED.as_bytes()).unwrap();
        capture.push(b"0123456789").unwrap();
        assert_eq!(capture.push(b"x"), Err(Overflow { limit: 10, started: true }));
        assert_eq!(capture.bytes.capacity(), 0);
    }

    #[test]
    fn noise_without_end_is_refused() {
        let mut capture = Capture::all(usize::MAX);
        let overflow = (0..1000).find_map(|_| capture.push(&[b'x'; 1000]).err());
        assert_eq!(overflow, Some(Overflow { limit: MOST_NOISE, started: false }));
    }

    #[test]
    fn the_end_of_a_tail_is_kept() {
        let mut capture = Capture::tail(8, 100);
        capture.push(format!("{STARTED}\n").as_bytes()).unwrap();
        for number in 0..9 {
            capture.push(format!("line-{number}\n").as_bytes()).unwrap();
        }
        assert!(capture.bytes.len() <= 16 + 7);
        assert!(capture.push(&[b'x'; 100]).is_err());
        let mut capture = Capture::tail(8, 100);
        capture.push(format!("{STARTED}\n0123456789abc").as_bytes()).unwrap();
        assert_eq!(capture.into_text().as_deref(), Ok("56789abc"));
    }
}
