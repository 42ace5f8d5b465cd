//! Which pages there are, and what surrounds the generated part of each.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::render;

/// The provider's address in the registry.
pub(crate) const ADDRESS: &str = "registry.terraform.io/kubeone/kubeone";

/// The kinds of pages: the key in the schema, the folder under `docs`, the word in the title.
const KINDS: [(&str, &str, &str); 3] = [
    ("resource_schemas", "resources", "Resource"),
    ("data_source_schemas", "data-sources", "Data Source"),
    ("ephemeral_resource_schemas", "ephemeral-resources", "Ephemeral Resource"),
];

/// All pages with their paths relative to the root.
pub(super) fn all(root: &Path, provider: &Value) -> Result<Vec<(PathBuf, String)>> {
    let mut pages = vec![(PathBuf::from("docs/index.md"), index(root, provider)?)];
    for (key, folder, title) in KINDS {
        let Some(schemas) = provider[key].as_object() else { continue };
        for (name, schema) in schemas {
            let short = name.strip_prefix("kubeone_").unwrap_or(name);
            let text = page(root, folder, name, title, schema)?;
            pages.push((Path::new("docs").join(folder).join(format!("{short}.md")), text));
        }
    }
    pages.extend(guides(root)?);
    Ok(pages)
}

/// Guides are written by hand, and only need to be where the registry looks for them.
fn guides(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let folder = root.join("templates/guides");
    let files = std::fs::read_dir(&folder).with_context(|| format!("could not list {}", folder.display()))?;
    let mut guides = Vec::new();
    for file in files {
        let name = file?.file_name();
        let text = read(root, &Path::new("templates/guides").join(&name).to_string_lossy())?;
        guides.push((Path::new("docs/guides").join(name), text));
    }
    Ok(guides)
}

fn index(root: &Path, provider: &Value) -> Result<String> {
    let introduction = read(root, "templates/index.md")?;
    let example = read(root, "examples/provider/provider.tf")?;
    let mut text = String::from(
        "---\npage_title: \"kubeone Provider\"\ndescription: |-\n  Kubernetes clusters on hosts that Terraform made.\n---\n\n",
    );
    let _ = write!(text, "{}\n\n## Example Usage\n\n```terraform\n{}\n```\n\n", introduction.trim(), example.trim());
    text.push_str(&render::schema(&provider["provider"]["block"]));
    Ok(text)
}

fn page(root: &Path, folder: &str, name: &str, title: &str, schema: &Value) -> Result<String> {
    let description = schema["block"]["description"].as_str().unwrap_or_default().trim();
    let summary = first_sentence(description);
    let single = folder.trim_end_matches('s');
    let example = read(root, &format!("examples/{folder}/{name}/{single}.tf"))?;
    let mut text = format!(
        "---\npage_title: \"{name} {title} - kubeone\"\nsubcategory: \"\"\ndescription: |-\n  {summary}\n---\n\n# {name} ({title})\n\n{description}\n\n"
    );
    let _ = write!(text, "## Example Usage\n\n```terraform\n{}\n```\n\n", example.trim());
    text.push_str(&render::schema(&schema["block"]));
    Ok(text)
}

/// Comments in the source are wrapped, so a sentence may go over several lines.
fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    paragraph.split_once(". ").map_or(paragraph.clone(), |(sentence, _)| format!("{sentence}."))
}

fn read(root: &Path, file: &str) -> Result<String> {
    std::fs::read_to_string(root.join(file)).with_context(|| format!("could not read {file}, which the docs show"))
}
