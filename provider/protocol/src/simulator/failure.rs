//! What can go wrong when core talks to a provider.

use std::io;

use crate::proto::tfplugin6 as proto;
use crate::{AttributePath, CodecError, Diagnostic, Diagnostics, Severity, Step};

/// Why a walk ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The provider did its part and reported errors.
    #[error("the provider reports: {}", summaries(diagnostics))]
    Reported { diagnostics: Diagnostics },
    /// The provider broke the contract; a user would read of a bug in the provider.
    #[error("the provider broke a rule, {rule}{}", path.describe())]
    Violated { rule: Rule, path: AttributePath },
    #[error("a value on the wire is damaged")]
    Codec(#[from] CodecError),
    #[error("the call failed")]
    Call(#[source] Box<tonic::Status>),
    #[error("could not connect to the provider")]
    Connect(#[source] tonic::transport::Error),
    #[error("could not make a client certificate")]
    Certificate(#[source] rcgen::Error),
    #[error("could not set up TLS")]
    Tls(#[source] rustls::Error),
    #[error("could not run the provider")]
    Run(#[source] io::Error),
    #[error("the provider did not shake hands but wrote `{line}`")]
    Handshake { line: String },
    #[error("the provider did not end when asked to")]
    StillRunning,
    #[error("the provider has no `{name}`")]
    Missing { name: String },
}

/// The contract between core and provider, rule by rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    #[error("a schema has to be well-formed")]
    Schema,
    #[error("a planned value has to be what the configuration says")]
    PlanFollowsConfig,
    #[error("a plan may not invent a value for an attribute that is not computed")]
    PlanInventsNothing,
    #[error("a write-only value may not be in a plan or a state")]
    WriteOnlyStaysOut,
    #[error("the plan of a destroy is null")]
    DestroyPlansNull,
    #[error("the final plan has to repeat what the first plan knew")]
    FinalPlanRepeats,
    #[error("the result has to be what the plan promised")]
    ApplyKeepsPromises,
    #[error("nothing is unknown after apply")]
    ApplyKnowsAll,
    #[error("a read answers with known values only")]
    ReadKnowsAll,
    #[error("an object exists after create and update")]
    ApplyLeavesObject,
    #[error("nothing exists after delete")]
    DeleteLeavesNothing,
    #[error("a resource with an identity schema has an identity")]
    IdentityExists,
    #[error("an identity never changes")]
    IdentityIsStable,
    #[error("a second plan is empty")]
    SecondPlanIsEmpty,
    #[error("only clients that allow it get a deferral")]
    DefersWhenAllowed,
    #[error("a stream of an action ends with its completion")]
    ActionCompletes,
}

impl Rule {
    pub(super) fn violated_at(self, path: &AttributePath) -> Failure {
        Failure::Violated { rule: self, path: path.clone() }
    }

    pub(super) fn violated(self) -> Failure {
        self.violated_at(&AttributePath::root())
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

/// Warnings pass, errors fail.
pub(super) fn refuse_errors(wire: Vec<proto::Diagnostic>) -> Result<Diagnostics, Failure> {
    let diagnostics: Diagnostics = wire.into_iter().map(Diagnostic::from).collect();
    if diagnostics.has_errors() { Err(Failure::Reported { diagnostics }) } else { Ok(diagnostics) }
}

impl From<proto::Diagnostic> for Diagnostic {
    fn from(wire: proto::Diagnostic) -> Self {
        let severity = match wire.severity() {
            proto::diagnostic::Severity::Warning => Severity::Warning,
            _ => Severity::Error,
        };
        let path = wire.attribute.map(AttributePath::from);
        Self { severity, summary: wire.summary, detail: wire.detail, path }
    }
}

impl From<proto::AttributePath> for AttributePath {
    fn from(wire: proto::AttributePath) -> Self {
        use proto::attribute_path::step::Selector;
        let selectors = wire.steps.into_iter().filter_map(|step| step.selector);
        selectors
            .map(|selector| match selector {
                Selector::AttributeName(name) => Step::Attribute(name),
                Selector::ElementKeyString(key) => Step::Key(key),
                Selector::ElementKeyInt(index) => Step::Index(index),
            })
            .collect()
    }
}

fn summaries(diagnostics: &Diagnostics) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.summary.as_str()).collect::<Vec<_>>().join("; ")
}
