//! The smallest useful provider: `tiny_file` keeps a text in a file.
//!
//! Build it, name the folder with the program `terraform-provider-tiny` in `dev_overrides`, and apply:
//!
//! ```hcl
//! terraform {
//!   required_providers {
//!     tiny = { source = "example/tiny" }
//!   }
//! }
//!
//! resource "tiny_file" "hello" {
//!   path    = "/tmp/hello.txt"
//!   content = "Hello!"
//! }
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, io};

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use tfplugin::{
    ApplyRequest, ApplyResponse, Diagnostic, Options, PlanRequest, PlanResponse, Provider, ReadRequest, ReadResponse,
    Resource, Schema, Value, plan,
};

/// A text file.
#[derive(Deserialize, Serialize, JsonSchema)]
struct TextFile {
    /// Where it is; a change makes a new file.
    path: String,
    /// What is in it.
    content: String,
    /// How long the content is.
    #[schemars(extend("x-computed" = true))]
    bytes: Option<usize>,
}

struct FileResource {
    schema: Schema,
}

impl FileResource {
    fn write(request: ApplyRequest) -> ApplyResponse {
        // `config` is wholly known during apply; `planned_state` has unknown parts.
        let mut file: TextFile = match request.config.decode() {
            Ok(file) => file,
            Err(error) => return request.failed(Diagnostic::bug("cannot read the configuration", error).into()),
        };
        if let Err(error) = fs::write(&file.path, &file.content) {
            let diagnostic = Diagnostic::error(format!("could not write `{}`", file.path), error.to_string());
            return request.failed(diagnostic.at("path").into());
        }
        file.bytes = Some(file.content.len());
        match Value::encode(&file) {
            Ok(state) => ApplyResponse { state, ..ApplyResponse::default() },
            Err(error) => request.failed(Diagnostic::bug("cannot write the state", error).into()),
        }
    }
}

#[tfplugin::async_trait]
impl Resource for FileResource {
    fn type_name(&self) -> &'static str {
        "tiny_file"
    }

    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        let path = request.state.attribute("path").as_str().unwrap_or_default().to_owned();
        match fs::read_to_string(&path) {
            Ok(content) => {
                let mut state = request.state;
                state.set(&"content".into(), content);
                ReadResponse { state, ..ReadResponse::default() }
            }
            // Gone for certain: Terraform will plan to make it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => ReadResponse::default(),
            Err(error) => {
                let diagnostic = Diagnostic::warning(format!("could not read `{path}`"), error.to_string());
                request.unchanged(diagnostic.into())
            }
        }
    }

    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        let mut response = plan::propose(&self.schema, &request);
        plan::replace_on_change(&mut response, &request.prior_state, ["path"]);
        response
    }

    async fn create(&self, request: ApplyRequest) -> ApplyResponse {
        Self::write(request)
    }

    async fn update(&self, request: ApplyRequest) -> ApplyResponse {
        Self::write(request)
    }

    async fn delete(&self, request: ApplyRequest) -> ApplyResponse {
        let path = request.prior_state.attribute("path").as_str().unwrap_or_default();
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let diagnostic = Diagnostic::error(format!("could not remove `{path}`"), error.to_string());
                request.failed(diagnostic.into())
            }
            _ => ApplyResponse::default(),
        }
    }
}

struct TinyProvider {
    file: Arc<FileResource>,
}

#[tfplugin::async_trait]
impl Provider for TinyProvider {
    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        vec![self.file.clone()]
    }
}

fn main() -> ExitCode {
    let schema = match Schema::from_json_schema(schema_for!(TextFile).as_value()) {
        Ok(schema) => schema,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    tfplugin::serve(
        TinyProvider { file: Arc::new(FileResource { schema }) },
        Options {
            address: "registry.terraform.io/example/tiny".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    )
}
