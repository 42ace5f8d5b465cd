//! The life of one managed resource, as core leads it.

mod arrive;
mod calls;

use super::contract::{check_known, check_plan, check_promises, check_write_only};
use super::propose::{complete, propose};
use super::{Core, Failure, Rule};
use crate::{AttributePath, Diagnostics, Schema, Type, Value};

/// A resource of a configuration with its state.
pub struct Instance<'core> {
    core: &'core Core,
    type_name: String,
    schema: Schema,
    ty: Type,
    identity_type: Option<Type>,
    pub state: Value,
    pub private: Vec<u8>,
    pub identity: Value,
    /// A failed create left a state behind: the next apply would destroy it first.
    pub tainted: bool,
    /// What the last create, update or destroy warned of when it succeeded.
    pub warnings: Diagnostics,
    /// The state that the last create, update or destroy answered with. Where it failed with null, core keeps the prior state,
    /// so `state` alone does not show what the provider said.
    pub answered: Value,
}

/// A plan that keeps the rules.
#[derive(Clone, Debug)]
pub struct Planned {
    pub state: Value,
    pub requires_replace: Vec<AttributePath>,
    pub private: Vec<u8>,
    pub identity: Value,
    pub diagnostics: Diagnostics,
    /// Put off: nothing else of the plan counts.
    pub deferred: bool,
}

impl<'core> Instance<'core> {
    pub(super) fn new(core: &'core Core, type_name: &str) -> Result<Self, Failure> {
        let missing = || Failure::Missing { name: type_name.to_owned() };
        let schema = core.schemas.resources.get(type_name).ok_or_else(missing)?.clone();
        let identity = core.schemas.identities.get(type_name).filter(|_| core.profile.identity);
        Ok(Self {
            core,
            type_name: type_name.to_owned(),
            ty: schema.ty(),
            schema,
            identity_type: identity.map(crate::IdentitySchema::ty),
            state: Value::Null,
            private: Vec::new(),
            identity: Value::Null,
            tainted: false,
            warnings: Diagnostics::default(),
            answered: Value::Null,
        })
    }

    /// Checks a configuration; answers with warnings.
    pub async fn validate(&self, config: impl Into<Value>) -> Result<Diagnostics, Failure> {
        self.call_validate(&complete(&self.schema, config.into())).await
    }

    /// Plans a configuration, parts of which may be unknown.
    pub async fn plan(&self, config: impl Into<Value>) -> Result<Planned, Failure> {
        let config = complete(&self.schema, config.into());
        self.plan_from(&self.state, &config, None).await
    }

    async fn plan_from(&self, prior: &Value, config: &Value, first: Option<&Planned>) -> Result<Planned, Failure> {
        let proposed = propose(&self.schema, prior, config);
        let mut planned = self.call_plan(prior, &proposed, config, first).await?;
        if planned.deferred {
            return Ok(planned);
        }
        check_plan(&self.schema, prior, config, &planned.state)?;
        planned.requires_replace.retain(|path| !prior.is_null() && prior.get(path) != planned.state.get(path));
        let identity_changed = !self.identity.is_null() && self.identity != planned.identity;
        if identity_changed && !prior.is_null() && planned.requires_replace.is_empty() {
            return Err(Rule::IdentityIsStable.violated());
        }
        Ok(planned)
    }

    /// Validate, plan, final plan, apply, read, and a second plan that has to be empty. Answers with the first plan.
    pub async fn apply(&mut self, config: impl Into<Value>) -> Result<Planned, Failure> {
        let config = config.into();
        self.apply_known_later(config.clone(), config).await
    }

    /// As [`apply`](Self::apply), with a configuration that has unknown parts at first.
    pub async fn apply_known_later(
        &mut self,
        at_plan: impl Into<Value>,
        at_apply: impl Into<Value>,
    ) -> Result<Planned, Failure> {
        let at_plan = complete(&self.schema, at_plan.into());
        let config = complete(&self.schema, at_apply.into());
        self.call_validate(&at_plan).await?;
        let first = self.plan_from(&self.state, &at_plan, None).await?;
        self.call_validate(&config).await?;
        let last = self.plan_from(&self.state, &config, Some(&first)).await?;
        check_promises(Rule::FinalPlanRepeats, &self.ty, &first.state, &last.state)?;

        if self.tainted || !last.requires_replace.is_empty() {
            self.carry_out_replacement(&config).await?;
        } else if last.state.equivalent(&self.state, &self.ty) {
            return Ok(first);
        } else {
            self.carry_out(&config, &last).await?;
        }
        self.refresh().await?;
        let second = self.plan_from(&self.state, &config, None).await?;
        if !second.requires_replace.is_empty() {
            return Err(Rule::SecondPlanIsEmpty.violated_at(&second.requires_replace[0]));
        }
        check_promises(Rule::SecondPlanIsEmpty, &self.ty, &self.state, &second.state)?;
        Ok(first)
    }

    /// What `apply -replace` does: core does not ask for a plan of the destruction, only for one of the new object.
    pub async fn replace(&mut self, config: impl Into<Value>) -> Result<(), Failure> {
        let config = complete(&self.schema, config.into());
        self.call_validate(&config).await?;
        self.plan_from(&self.state, &config, None).await?;
        self.carry_out_replacement(&config).await?;
        self.refresh().await.map(drop)
    }

    async fn carry_out_replacement(&mut self, config: &Value) -> Result<(), Failure> {
        let create = self.plan_from(&Value::Null, config, None).await?;
        let nothing = Planned { state: Value::Null, requires_replace: Vec::new(), ..create.clone() };
        self.carry_out_destroy(&nothing).await?;
        self.carry_out(config, &create).await
    }

    async fn carry_out(&mut self, config: &Value, planned: &Planned) -> Result<(), Failure> {
        let answer = self.call_apply(&self.state, planned, config).await?;
        self.answered = answer.state.clone();
        if answer.diagnostics.has_errors() {
            // Nothing is checked now: what the provider says is stored, except that null never replaces a prior state.
            self.tainted = self.state.is_null() && !answer.state.is_null();
            if !answer.state.is_null() {
                (self.state, self.private) = (answer.state, answer.private);
            }
            return Err(Failure::Reported { diagnostics: answer.diagnostics });
        }
        if answer.state.is_null() {
            return Err(Rule::ApplyLeavesObject.violated());
        }
        check_known(Rule::ApplyKnowsAll, &self.ty, &answer.state)?;
        check_write_only(&self.schema, &answer.state)?;
        check_promises(Rule::ApplyKeepsPromises, &self.ty, &planned.state, &answer.state)?;
        self.take_identity(answer.identity)?;
        (self.state, self.private, self.warnings) = (answer.state, answer.private, answer.diagnostics);
        Ok(())
    }

    /// Reads the object again. The state is null afterwards when it is gone.
    pub async fn refresh(&mut self) -> Result<Diagnostics, Failure> {
        let answer = self.call_read().await?;
        check_known(Rule::ReadKnowsAll, &self.ty, &answer.state)?;
        check_write_only(&self.schema, &answer.state)?;
        if answer.state.is_null() {
            self.identity = Value::Null;
        } else {
            self.take_identity(answer.identity)?;
        }
        (self.state, self.private) = (answer.state, answer.private);
        Ok(answer.diagnostics)
    }

    /// Plans and carries out a destroy.
    pub async fn destroy(&mut self) -> Result<(), Failure> {
        let planned = self.call_plan(&self.state, &Value::Null, &Value::Null, None).await?;
        if !planned.state.is_null() {
            return Err(Rule::DestroyPlansNull.violated());
        }
        self.carry_out_destroy(&planned).await
    }

    async fn carry_out_destroy(&mut self, planned: &Planned) -> Result<(), Failure> {
        let answer = self.call_apply(&self.state, planned, &Value::Null).await?;
        self.answered = answer.state.clone();
        if answer.diagnostics.has_errors() {
            if !answer.state.is_null() {
                (self.state, self.private) = (answer.state, answer.private);
            }
            return Err(Failure::Reported { diagnostics: answer.diagnostics });
        }
        if !answer.state.is_null() {
            return Err(Rule::DeleteLeavesNothing.violated());
        }
        (self.state, self.private, self.identity) = (Value::Null, Vec::new(), Value::Null);
        (self.tainted, self.warnings) = (false, answer.diagnostics);
        Ok(())
    }

    fn take_identity(&mut self, identity: Value) -> Result<(), Failure> {
        if let Some(ty) = &self.identity_type {
            if identity.is_null() {
                return Err(Rule::IdentityExists.violated());
            }
            check_known(Rule::IdentityExists, ty, &identity)?;
            if !self.identity.is_null() && self.identity != identity {
                return Err(Rule::IdentityIsStable.violated());
            }
        }
        self.identity = identity;
        Ok(())
    }
}
