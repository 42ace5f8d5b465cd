//! Functions: `provider::example::name(…)`.

use async_trait::async_trait;

use crate::{Type, Value};

/// What a function takes and returns.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionSignature {
    pub parameters: Vec<Parameter>,
    /// Takes all further arguments.
    pub variadic: Option<Parameter>,
    pub returns: Type,
    pub summary: String,
    /// Markdown.
    pub description: String,
    pub deprecated: Option<String>,
}

/// One parameter. Terraform answers for the function when an argument is unknown, and refuses null, unless allowed here.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub ty: Type,
    pub allow_null: bool,
    pub allow_unknown: bool,
    pub description: String,
}

impl Parameter {
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty, allow_null: false, allow_unknown: false, description: String::new() }
    }

    #[must_use]
    pub fn description(mut self, markdown: impl Into<String>) -> Self {
        self.description = markdown.into();
        self
    }
}

impl FunctionSignature {
    pub fn new(parameters: impl IntoIterator<Item = Parameter>, returns: Type) -> Self {
        Self {
            parameters: parameters.into_iter().collect(),
            variadic: None,
            returns,
            summary: String::new(),
            description: String::new(),
            deprecated: None,
        }
    }

    #[must_use]
    pub fn summary(mut self, text: impl Into<String>) -> Self {
        self.summary = text.into();
        self
    }

    #[must_use]
    pub fn description(mut self, markdown: impl Into<String>) -> Self {
        self.description = markdown.into();
        self
    }

    #[must_use]
    pub fn variadic(mut self, parameter: Parameter) -> Self {
        self.variadic = Some(parameter);
        self
    }
}

/// Why a call failed, and which argument is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    pub text: String,
    /// Position of the argument, from zero.
    pub argument: Option<usize>,
}

impl FunctionError {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), argument: None }
    }

    #[must_use]
    pub fn at_argument(mut self, position: usize) -> Self {
        self.argument = Some(position);
        self
    }
}

/// A function is pure: same arguments, same result, no look at the world, not even at the provider's configuration.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// Without the provider's prefix.
    fn name(&self) -> &str;

    fn signature(&self) -> FunctionSignature;

    /// One value per argument given, variadic ones included.
    async fn call(&self, arguments: Vec<Value>) -> Result<Value, FunctionError>;
}
