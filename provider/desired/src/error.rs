//! Why what is desired could not be written.

/// In practice a bug, or a configuration in the cluster that another tool wrote.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    #[error("the configuration could not be written as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
    #[error("`{what}` could not be understood: {reason}")]
    Unreadable { what: String, reason: String },
}
