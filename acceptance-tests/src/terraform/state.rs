//! Looks at the state after a run.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// A state as `terraform show -json` tells it.
#[derive(Debug, Default, Deserialize)]
pub struct State {
    #[serde(default)]
    values: Values,
}

#[derive(Debug, Default, Deserialize)]
struct Values {
    #[serde(default)]
    root_module: Module,
    #[serde(default)]
    outputs: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Module {
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    child_modules: Vec<Module>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    address: String,
    values: Value,
}

impl State {
    pub(super) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("could not read the state")
    }

    /// The addresses of all resources.
    pub fn addresses(&self) -> Vec<&str> {
        self.resources().into_iter().map(|resource| resource.address.as_str()).collect()
    }

    /// The value at a path such as `/control_plane/control-plane-1/address`.
    pub fn value(&self, address: &str, path: &str) -> Result<&Value> {
        let resources = self.resources();
        let resource = resources.iter().find(|it| it.address == address);
        let resource = resource.with_context(|| format!("the state has no `{address}`"))?;
        resource.values.pointer(path).with_context(|| format!("`{address}` has no `{path}`"))
    }

    pub fn output(&self, name: &str) -> Result<&Value> {
        self.values.outputs.pointer(&format!("/{name}/value")).with_context(|| format!("there is no output `{name}`"))
    }

    pub fn must_not_have(&self, address: &str) -> Result<()> {
        ensure!(!self.addresses().contains(&address), "the state has `{address}`");
        Ok(())
    }

    fn resources(&self) -> Vec<&Resource> {
        let mut modules = vec![&self.values.root_module];
        let mut resources = Vec::new();
        while let Some(module) = modules.pop() {
            resources.extend(&module.resources);
            modules.extend(&module.child_modules);
        }
        resources
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_of_modules_are_found_too() {
        let resource = json!({ "address": "module.a.c.this", "values": { "name": "local" } });
        let values = json!({ "root_module": { "child_modules": [{ "resources": [resource] }] } });
        let state = State::parse(&json!({ "values": values }).to_string()).unwrap();
        assert_eq!(state.value("module.a.c.this", "/name").unwrap(), "local");
        assert!(state.must_not_have("module.a.c.this").is_err());
    }

    #[test]
    fn an_empty_state_has_no_values() {
        assert!(State::parse("{\"format_version\":\"1.0\"}").unwrap().addresses().is_empty());
    }
}
