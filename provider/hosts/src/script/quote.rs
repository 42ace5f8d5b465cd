//! Text as one word of shell.

/// In single quotes, where the shell takes every character literally. `None` for text with a NUL, which no shell
/// variable can hold.
pub(super) fn quoted(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_newlines_survive() {
        assert_eq!(quoted("a'b $(id)\n\"`\\").as_deref(), Some("'a'\\''b $(id)\n\"`\\'"));
        assert_eq!(quoted("").as_deref(), Some("''"));
    }

    #[test]
    fn nul_is_refused() {
        assert_eq!(quoted("a\0b"), None);
    }
}
