//! Errors of libraries as one line.

use std::{error::Error, fmt::Write};

/// The texts of an error and its causes in one line. Libraries that print their cause themselves are not repeated.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        next = cause.source();
    }
    text
}
