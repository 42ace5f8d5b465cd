//! What the plan that was approved has room for. An apply looks at the hosts again, and may find that the cluster is gone.

use kubeone_plan::{Action, Plan, Wanted};
use kubeone_spec::{FieldPath, Finding};
use tfplugin::ApplyRequest;

/// Whether a cluster that was there may be made anew.
#[derive(Clone, Copy)]
pub(super) enum Approval {
    /// The plan left the identity of the cluster open.
    Anew,
    /// The plan could not tell its steps. A restore may turn out to begin on bare hosts.
    Restored,
    Never,
}

impl Approval {
    pub(super) fn of(request: &ApplyRequest) -> Self {
        let is_open = |name: &str| request.planned_state.attribute(name).is_unknown();
        Self::new(is_open("id"), is_open("planned_steps"))
    }

    fn new(id_is_open: bool, steps_are_open: bool) -> Self {
        match (id_is_open, steps_are_open) {
            (true, _) => Self::Anew,
            (false, true) => Self::Restored,
            (false, false) => Self::Never,
        }
    }

    /// A new and empty cluster in the place of one that was there needs a plan that shows it.
    pub(super) fn refuses(self, wanted: &Wanted, plan: &Plan) -> Option<Finding> {
        wanted.uid.as_ref()?;
        let begins = plan.actions().find(|action| match action {
            Action::InitControlPlane { restore, .. } => match self {
                Self::Anew => false,
                Self::Restored => restore.is_none(),
                Self::Never => true,
            },
            _ => false,
        })?;
        Some(Finding::error(
            FieldPath::default(),
            format!("the cluster `{}` is gone, and the plan was made while it was there", wanted.spec.name),
            format!(
                "No node of it is left on its hosts, so the next step would be `{begins}`, which makes a new and empty \
                 cluster. Nothing was changed. Plan again, and the plan shows it; or let the cluster begin with the data of a \
                 snapshot (`restore`)."
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use kubeone_facts::Observed;
    use kubeone_plan::plan_create_or_update;
    use kubeone_spec::ClusterSpec;
    use serde_json::json;

    use super::*;
    use crate::decode::decode;
    use crate::testing::state;

    /// A cluster of the state of which nothing is left.
    fn gone() -> Wanted {
        let spec = decode::<ClusterSpec>(&crate::model::CLUSTER, &state()).unwrap().settings;
        Wanted { uid: Some("uid".to_owned()), ..Wanted::new(spec) }
    }

    fn is_refused(wanted: &Wanted, id_is_open: bool, steps_are_open: bool) -> bool {
        let plan = plan_create_or_update(wanted, &Observed::default());
        assert!(plan.actions().any(|action| matches!(action, Action::InitControlPlane { .. })));
        Approval::new(id_is_open, steps_are_open).refuses(wanted, &plan).is_some()
    }

    #[test]
    fn an_empty_cluster_takes_no_place_unless_the_plan_shows_it() {
        assert!(is_refused(&gone(), false, false));
        assert!(is_refused(&gone(), false, true));
        assert!(!is_refused(&gone(), true, false));
        assert!(!is_refused(&Wanted { uid: None, ..gone() }, false, false), "a create");
    }

    #[test]
    fn a_restore_may_turn_out_to_begin_on_bare_hosts() {
        let mut wanted = gone();
        let copy = json!({ "snapshot": "./prod-20260102T030405Z-r7-v1.35.4.age" });
        wanted.spec.restore = Some(serde_json::from_value(copy).unwrap());
        assert!(!is_refused(&wanted, false, true));
        assert!(is_refused(&wanted, false, false));
    }
}
