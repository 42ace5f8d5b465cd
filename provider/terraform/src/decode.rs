//! From a value of the protocol to settings. Null means the documented default; a part that is not known yet gets a
//! stand-in, and its path is remembered.

use kubeone_spec::{FieldPath, Finding};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tfplugin::plan::write_only_paths;
use tfplugin::{Diagnostic, Value};

use crate::model::Model;
use crate::path::to_field_path;

/// Settings, and which parts of them are only stand-ins.
#[derive(Debug)]
pub(crate) struct Decoded<T> {
    pub(crate) settings: T,
    pub(crate) unknown: Vec<FieldPath>,
}

impl<T> Decoded<T> {
    /// Whether this field, something in it or something around it is not known yet.
    pub(crate) fn is_unknown(&self, path: &FieldPath) -> bool {
        self.unknown.iter().any(|unknown| unknown.touches(path))
    }

    /// Without those findings that a stand-in may have caused.
    pub(crate) fn keep_certain(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        findings.retain(|finding| !self.unknown.iter().any(|unknown| finding.touches(unknown)));
        findings
    }
}

/// Reads the settings out of a configuration, a plan or a state. Computed attributes are left aside.
pub(crate) fn decode<T: DeserializeOwned>(model: &Model, value: &Value) -> Result<Decoded<T>, Diagnostic> {
    let mut unknown = Vec::new();
    let json = value.clone().without_nulls().to_json_with(&model.schema().ty(), |path, _| {
        let path = to_field_path(path);
        let stand_in = model.stand_in(&path);
        unknown.push(path);
        stand_in
    });
    let settings = match json {
        Json::Object(attributes) => attributes.into_iter().filter(|(name, _)| model.is_setting(name)).collect(),
        // A provider without a block: all settings have their defaults.
        _ => Json::Object(serde_json::Map::new()),
    };
    unknown.retain(|path| matches!(path.0.first(), Some(kubeone_spec::Step::Field(name)) if model.is_setting(name)));
    let settings = serde_path_to_error::deserialize(settings).map_err(|error| misfit(model, &error))?;
    Ok(Decoded { settings, unknown })
}

/// The same of a plan, with the write-only values that only the configuration has.
pub(crate) fn decode_planned<T: DeserializeOwned>(
    model: &Model,
    planned: &Value,
    config: &Value,
) -> Result<Decoded<T>, Diagnostic> {
    let mut planned = planned.clone();
    for path in write_only_paths(model.schema(), config) {
        if let Some(value) = config.get(&path) {
            planned.set(&path, value.clone());
        }
    }
    decode(model, &planned)
}

fn misfit(model: &Model, error: &serde_path_to_error::Error<serde_json::Error>) -> Diagnostic {
    let keys: Vec<_> = error.path().iter().map(ToString::to_string).collect();
    let path = model.locate(&keys);
    Diagnostic::error(format!("`{path}` is not valid"), format!("{}.", error.inner())).at(path)
}

#[cfg(test)]
mod tests {
    use kubeone_spec::{ClusterSpec, ProviderSpec, validate_cluster};
    use tfplugin::AttributePath;

    use super::*;
    use crate::model::{CLUSTER, PROVIDER};
    use crate::testing::config;

    #[test]
    fn null_means_the_default() {
        let mut config = config();
        config.set(&AttributePath::new("api_endpoint").attribute("port"), Value::Null);
        config.set(&AttributePath::new("cluster_network"), Value::Null);
        let decoded: Decoded<ClusterSpec> = decode(&CLUSTER, &config).unwrap();
        assert_eq!(decoded.settings.api_endpoint.port, 6443);
        assert_eq!(decoded.settings.cluster_network.cluster_domain, "cluster.local");
        assert!(decoded.unknown.is_empty());
    }

    #[test]
    fn an_absent_provider_block_is_all_defaults() {
        let decoded: Decoded<ProviderSpec> = decode(&PROVIDER, &Value::Null).unwrap();
        assert_eq!(decoded.settings.ssh.port, 22);
    }

    /// Whatever is not known yet, the rest is read, and no finding blames a stand-in.
    #[test]
    fn any_part_may_be_unknown() {
        let ty = CLUSTER.schema().ty();
        let mut paths = Vec::new();
        config().walk(&ty, &mut |path, _| paths.push(path.clone()));
        let settings = paths.into_iter().filter(
            |path| matches!(path.steps().first(), Some(tfplugin::Step::Attribute(name)) if CLUSTER.is_setting(name)),
        );
        for path in settings {
            let mut config = config();
            config.set(&path, Value::unknown());
            let decoded: Decoded<ClusterSpec> =
                decode(&CLUSTER, &config).unwrap_or_else(|error| panic!("{path}: {error:?}"));
            assert_eq!(decoded.unknown, [to_field_path(&path)], "{path}");
            let findings = decoded.keep_certain(validate_cluster(&decoded.settings));
            assert_eq!(findings, [], "{path}");
        }
    }

    #[test]
    fn write_only_values_come_from_the_configuration() {
        let webhook = AttributePath::new("audit").attribute("webhook");
        let (mut planned, mut config) = (config(), config());
        let object = |name: &str, value: Value| Value::Map([(name.to_owned(), value)].into());
        let audit = |kubeconfig: Value| object("webhook", object("kubeconfig", kubeconfig));
        planned.set(&"audit".into(), audit(Value::Null));
        config.set(&"audit".into(), audit("secret".into()));
        assert!(config.get(&webhook).is_some());
        let decoded: Decoded<ClusterSpec> = decode_planned(&CLUSTER, &planned, &config).unwrap();
        let kubeconfig = decoded.settings.audit.unwrap().webhook.unwrap().kubeconfig.unwrap();
        assert_eq!(kubeconfig.expose(), "secret");
    }

    #[test]
    fn a_misfit_is_reported_where_it_is() {
        let cases = [
            (AttributePath::new("kubernetes_version"), Value::from("latest"), "write major.minor.patch"),
            (AttributePath::new("control_plane").key("cp-1").attribute("ssh_port"), Value::from(70_000_i64), "u16"),
            (AttributePath::new("cluster_network").attribute("pod_subnet"), Value::from("10.244"), "CIDR"),
            (AttributePath::new("cluster_network").attribute("cni"), Value::from("weave"), "canal"),
            (AttributePath::new("timeouts").attribute("create"), Value::from("soon"), "1h30m"),
        ];
        for (path, value, says) in cases {
            let mut config = config();
            assert!(config.set(&path, value), "{path}");
            let error = decode::<ClusterSpec>(&CLUSTER, &config).unwrap_err();
            assert_eq!(error.path, Some(path));
            assert!(error.detail.contains(says), "{}", error.detail);
        }
    }
}
