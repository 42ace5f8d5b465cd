//! The kubeconfig that a cluster may keep in the state: when the plan shows a new one, and where it comes from.

use std::time::SystemTime;

use kubeone_engine::{Hosts, kubeconfig_is_due};
use kubeone_spec::{ClusterReference, ClusterSpec, ClusterStatus, FieldPath, KubeconfigSpec};
use tfplugin::plan::mark_unknown;
use tfplugin::{CancellationToken, Diagnostic, Value};

use super::mint::mint_from;
use crate::decode::Decoded;

/// The attributes that hold it.
const ATTRIBUTES: [&str; 3] = ["kubeconfig_raw", "kubernetes_client_configuration", "kubeconfig_expires_at"];

/// What was there before.
pub(crate) struct Prior<'a> {
    pub(crate) spec: &'a ClusterSpec,
    pub(crate) status: &'a ClusterStatus,
    /// When the cluster was looked at last.
    pub(crate) observed_at: Option<SystemTime>,
}

/// Plans the attributes: null where the state keeps none, open where there will be a new one, else as they were.
pub(crate) fn plan(planned: &mut Value, wanted: &Decoded<ClusterSpec>, prior: Option<&Prior<'_>>) {
    let settings = &wanted.settings.kubeconfig;
    if wanted.is_unknown(&FieldPath::root("kubeconfig")) {
        return mark_unknown(planned, ATTRIBUTES);
    }
    if !settings.store_in_state {
        for name in ATTRIBUTES {
            planned.set(&name.into(), Value::Null);
        }
        return;
    }
    // A cluster that is made anew has another CA.
    let keeps = !planned.attribute("id").is_unknown()
        && prior.is_some_and(|prior| {
            let due = |end: &String| prior.observed_at.is_some_and(|at| kubeconfig_is_due(end, settings.ttl, at));
            prior.spec.kubeconfig == *settings
                && prior.status.kubeconfig_expires_at.as_ref().is_some_and(|end| !due(end))
        });
    if !keeps {
        mark_unknown(planned, ATTRIBUTES);
    }
}

/// Makes the kubeconfig that the plan promised.
pub(crate) async fn fill(
    planned: &Value,
    spec: &ClusterSpec,
    hosts: &Hosts,
    status: &mut ClusterStatus,
    cancel: &CancellationToken,
) -> Result<(), Diagnostic> {
    if !planned.attribute(ATTRIBUTES[0]).is_unknown() || !spec.kubeconfig.store_in_state {
        return Ok(());
    }
    let cluster = ClusterReference::of(spec, Some(status.id.clone()));
    let control_plane =
        spec.control_plane.keys().filter_map(|name| Some((name.clone(), hosts.wanted.get(name)?.clone())));
    let wanted = KubeconfigSpec::for_administrator(cluster, spec.kubeconfig.ttl);
    let minted = mint_from(&control_plane.collect(), &wanted, cancel).await.map_err(|reason| {
        let detail = format!("{reason}\n\nAll steps are done. The next apply looks again and makes the kubeconfig.");
        Diagnostic::error(format!("no kubeconfig could be made for the cluster `{}`", spec.name), detail)
    })?;
    status.kubeconfig_raw = Some(minted.kubeconfig.clone());
    status.kubeconfig_expires_at = Some(minted.expires_at.clone());
    status.kubernetes_client_configuration = Some((*minted).into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;
    use tfplugin::AttributePath;

    use super::*;
    use crate::decode::decode;
    use crate::encode;
    use crate::model::CLUSTER;
    use crate::testing::{config, state};

    const YEAR: Duration = Duration::from_hours(365 * 24);

    fn with(mut value: Value, store_in_state: bool, ttl: &str) -> Value {
        value.set(&"kubeconfig".into(), json!({ "store_in_state": store_in_state, "ttl": ttl }));
        value
    }

    /// A state that keeps a kubeconfig, which ends a year after 1970.
    fn keeping() -> Value {
        let mut state = with(state(), true, "8760h");
        let mut status = encode::read_status(&state).unwrap();
        status.kubeconfig_raw = Some("apiVersion: v1".to_owned().into());
        status.kubeconfig_expires_at = Some("1971-01-01T00:00:00Z".to_owned());
        encode::write(&mut state, &status).unwrap();
        state
    }

    /// What is planned for the attributes when a cluster of this state shall be like that.
    fn planned(prior: &Value, proposed: Value, observed_after: Duration) -> [Value; 3] {
        let wanted = decode::<ClusterSpec>(&CLUSTER, &proposed).unwrap();
        let mut planned = proposed;
        if prior.is_null() {
            plan(&mut planned, &wanted, None);
        } else {
            let spec = decode::<ClusterSpec>(&CLUSTER, prior).unwrap().settings;
            let status = encode::read_status(prior).unwrap();
            let observed_at = Some(UNIX_EPOCH + observed_after);
            plan(&mut planned, &wanted, Some(&Prior { spec: &spec, status: &status, observed_at }));
        }
        ATTRIBUTES.map(|name| planned.attribute(name).clone())
    }

    fn is_new(planned: &[Value; 3]) -> bool {
        planned.iter().all(Value::is_unknown)
    }

    #[test]
    fn the_state_keeps_none_unless_asked() {
        assert_eq!(planned(&Value::Null, config(), YEAR), [Value::Null, Value::Null, Value::Null]);
        assert_eq!(planned(&state(), state(), YEAR), [Value::Null, Value::Null, Value::Null]);
        assert!(is_new(&planned(&Value::Null, with(config(), true, "1h"), YEAR)));
        assert!(is_new(&planned(&state(), with(state(), true, "1h"), YEAR)));
    }

    #[test]
    fn it_is_forgotten_when_it_is_wanted_no_more() {
        let forgotten = planned(&keeping(), with(keeping(), false, "8760h"), Duration::ZERO);
        assert_eq!(forgotten, [Value::Null, Value::Null, Value::Null]);
    }

    #[test]
    fn it_stays_until_a_third_of_its_life_is_left() {
        let [raw, _, end] = planned(&keeping(), keeping(), YEAR * 2 / 3);
        assert_eq!(raw.as_str(), Some("apiVersion: v1"));
        assert_eq!(end.as_str(), Some("1971-01-01T00:00:00Z"));
        assert!(is_new(&planned(&keeping(), keeping(), YEAR * 2 / 3 + Duration::from_secs(1))));
    }

    #[test]
    fn another_life_or_another_cluster_needs_another_one() {
        assert!(is_new(&planned(&keeping(), with(keeping(), true, "24h"), Duration::ZERO)));
        let mut anew = keeping();
        anew.set(&"id".into(), Value::unknown());
        assert!(is_new(&planned(&keeping(), anew, Duration::ZERO)));
    }

    #[test]
    fn what_is_not_known_yet_stays_open() {
        let mut proposed = keeping();
        proposed.set(&AttributePath::new("kubeconfig").attribute("store_in_state"), Value::unknown());
        assert!(is_new(&planned(&keeping(), proposed, Duration::ZERO)));
    }
}
