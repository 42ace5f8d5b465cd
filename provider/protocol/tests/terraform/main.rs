//! The test provider under the real programs.
#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;
mod workspace;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use test_programs::terraforms;
use workspace::{Workspace, signal, wait_until};

const BOX: &str = r#"
resource "everykind_box" "a" {
  name                = "a"
  items               = { pen = { weight = 0.1, label = { text = "hi" } }, book = { weight = 3 } }
  slots               = [{ weight = 1 }, { weight = 12345678901 }]
  tags                = ["b", "a"]
  marks               = [{ text = "m2" }, { text = "m1", size = 3 }]
  anything            = { k = [1, "two", null] }
  secret              = "guarded"
  side { color = "red" }
  side { color = "blue" }
  lid { shape = "round" }
  password_wo         = "hunter2"
  password_wo_version = 1
}
"#;

#[test]
fn a_box_lives_and_its_secrets_stay_out_of_the_state() {
    for program in terraforms() {
        let workspace = Workspace::new(&program, BOX);
        let plan = workspace.succeed(&["plan", "-no-color", "-out=plan"]);
        assert!(plan.contains("serial = (known after apply)"), "{plan}");
        workspace.succeed(&["apply", "-no-color", "plan"]);
        workspace.expect_empty_plan();
        assert!(workspace.state().contains("7 letters"));
        assert!(!workspace.state().contains("hunter2"));
        // The plan file quotes the configuration; what is planned must not repeat the password.
        let plan: serde_json::Value = serde_json::from_str(&workspace.succeed(&["show", "-json", "plan"])).unwrap();
        assert!(!plan["planned_values"].to_string().contains("hunter2"));
        assert!(!plan["resource_changes"].to_string().contains("hunter2"));

        workspace.configure(&BOX.replace("weight = 3", "weight = 4").replace("[{ weight = 1 }, ", "["));
        let update = workspace.apply();
        assert!(update.contains("0 added, 1 changed, 0 destroyed"), "{update}");
        workspace.expect_empty_plan();

        workspace.configure(&BOX.replace("\"a\"\n", "\"b\"\n"));
        let replace = workspace.apply();
        assert!(replace.contains("1 added, 0 changed, 1 destroyed"), "{replace}");
        workspace.expect_empty_plan();

        workspace.succeed(&["destroy", "-auto-approve", "-no-color"]);
        assert!(!workspace.path("boxes/b.json").exists());
        workspace.expect_nothing_left();
    }
}

#[test]
fn values_that_are_known_after_apply_pass_through() {
    let config = r#"
resource "terraform_data" "x" { input = "color" }
resource "everykind_box" "a" {
  name  = "a"
  items = { pen = { weight = 1, color = terraform_data.x.id } }
  tags  = [terraform_data.x.id]
}
resource "everykind_box" "b" { name = "${everykind_box.a.id}-b" }
"#;
    for program in terraforms() {
        let workspace = Workspace::new(&program, config);
        workspace.apply();
        workspace.expect_empty_plan();
    }
}

#[test]
fn validation_names_file_and_line() {
    for program in terraforms() {
        let workspace = Workspace::new(&program, &BOX.replace("weight = 3", "weight = 0"));
        let answer = workspace.fail(&["validate", "-json"]);
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let diagnostic = &answer["diagnostics"][0];
        assert_eq!(diagnostic["summary"], "item without weight");
        assert_eq!(diagnostic["range"]["filename"], "main.tf");
        assert_eq!(diagnostic["snippet"]["context"], "resource \"everykind_box\" \"a\"");
    }
}

#[test]
fn functions_data_sources_and_ephemeral_resources() {
    let config = r#"
resource "everykind_box" "a" { name = "a" }
data "everykind_boxes" "all" { depends_on = [everykind_box.a] }
ephemeral "everykind_key" "door" { purpose = "door" }
resource "everykind_box" "b" {
  name        = "b"
  password_wo = ephemeral.everykind_key.door.key
  depends_on  = [data.everykind_boxes.all]
}
output "names" { value = data.everykind_boxes.all.names }
output "shout" { value = provider::everykind::shout("hey", everykind_box.a.id) }
output "echo" { value = provider::everykind::echo({ a = [1, null], b = 12345678901234567890.5 }) }
"#;
    for program in terraforms() {
        let workspace = Workspace::new(&program, config);
        workspace.apply();
        let outputs: serde_json::Value = serde_json::from_str(&workspace.succeed(&["output", "-json"])).unwrap();
        assert_eq!(outputs["names"]["value"], serde_json::json!(["a"]));
        assert_eq!(outputs["shout"]["value"], "HEY BOX-A");
        assert_eq!(outputs["echo"]["value"]["a"], serde_json::json!([1, null]));
        assert!(workspace.state().contains("12345678901234567890.5"), "no digit is lost");
        assert!(workspace.state().contains("12 letters"));
        assert!(!workspace.state().contains("key for door"));
        let notes = workspace.notes();
        assert_eq!(notes.matches("opened door").count(), notes.matches("closed door").count(), "{notes}");
        assert!(notes.contains("closed door"));

        workspace.configure("output \"bad\" { value = provider::everykind::shout(\"a\", \"\") }");
        let failure = workspace.fail(&["plan", "-no-color"]);
        assert!(failure.contains("nothing to shout"), "{failure}");
    }
}

#[test]
fn import_and_move() {
    for program in terraforms() {
        let workspace = Workspace::new(&program, "resource \"everykind_box\" \"a\" { name = \"a\" }");
        workspace.apply();
        workspace.succeed(&["state", "rm", "everykind_box.a"]);
        workspace.configure("import {\n  to = everykind_box.a\n  id = \"a\"\n}\n");
        workspace.succeed(&["plan", "-no-color", "-generate-config-out=generated.tf"]);
        let imported = workspace.apply();
        assert!(imported.contains("1 imported, 0 added, 0 changed, 0 destroyed"), "{imported}");
        workspace.expect_empty_plan();

        std::fs::remove_file(workspace.path("generated.tf")).unwrap();
        workspace.succeed(&["state", "rm", "everykind_box.a"]);
        workspace.configure("resource \"terraform_data\" \"a\" { input = \"a\" }");
        workspace.apply();
        workspace.configure(
            "moved {\n  from = terraform_data.a\n  to   = everykind_box.a\n}\nresource \"everykind_box\" \"a\" { name = \"a\" }",
        );
        let moved = workspace.apply();
        assert!(moved.contains("has moved to everykind_box.a"), "{moved}");
        workspace.expect_empty_plan();
    }
}

#[test]
fn a_failed_create_leaves_no_state_and_is_tried_again() {
    for program in terraforms() {
        let with_fail =
            |verb: &str| format!("resource \"everykind_box\" \"a\" {{\n  name = \"a\"\n  fail = \"{verb}\"\n}}\n");
        let workspace = Workspace::new(&program, &with_fail("create"));
        let failure = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
        assert!(failure.contains("create failed") && failure.contains("on main.tf line"), "{failure}");
        let plan = workspace.succeed(&["plan", "-no-color"]);
        assert!(plan.contains("will be created"), "{plan}");

        workspace.configure(&with_fail("panic"));
        let failure = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
        assert!(failure.contains("asked to panic during create"), "{failure}");
        assert!(failure.contains("This is a bug in the provider"), "{failure}");

        workspace.configure(&with_fail("nothing"));
        workspace.apply();
        workspace.configure(&with_fail("update"));
        workspace.fail(&["apply", "-auto-approve", "-no-color"]);
        let plan = workspace.run(&["plan", "-detailed-exitcode", "-no-color"]);
        assert_eq!(plan.status.code(), Some(2), "the failed update is still to be done");
    }
}

#[test]
fn ctrl_c_in_the_terminal_stops_the_work_and_not_the_provider() {
    for program in terraforms() {
        let workspace = Workspace::new(&program, "resource \"everykind_slow\" \"a\" { seconds = 60 }");
        let mut terraform = workspace.start(&["apply", "-auto-approve", "-no-color"]);
        wait_until("the work started", || workspace.notes().contains("started"));
        signal("INT", -i64::from(terraform.id()));
        let status = terraform.wait().unwrap();
        let output = workspace.output();
        assert!(!status.success());
        assert!(output.contains("Error: interrupted") && !output.contains("did not respond"), "{output}");
        assert_eq!(workspace.notes(), "started\ninterrupted\n");
        workspace.expect_nothing_left();
    }
}

#[test]
fn a_killed_terraform_leaves_no_provider_behind_and_work_ends_in_order() {
    for program in terraforms() {
        let workspace =
            Workspace::new(&program, "resource \"everykind_slow\" \"a\" {\n  seconds  = 2\n  stubborn = true\n}");
        let mut terraform = workspace.start(&["apply", "-auto-approve", "-no-color"]);
        wait_until("the work started", || workspace.notes().contains("started"));
        signal("KILL", i64::from(terraform.id()));
        terraform.wait().unwrap();
        wait_until("the work is done", || workspace.notes().contains("finished"));
        workspace.expect_nothing_left();
    }
}

#[test]
fn a_provider_in_debug_mode_serves_many_runs() {
    for program in terraforms() {
        let workspace = Workspace::new(&program, "resource \"everykind_box\" \"a\" { name = \"a\" }");
        let mut provider = Command::new(support::provider())
            .arg("--debug")
            .env("TMPDIR", workspace.path("tmp"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(provider.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let value =
            line.trim().strip_prefix("TF_REATTACH_PROVIDERS='").and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let value = if program.ends_with("terraform") {
            value.to_owned()
        } else {
            value.replace("registry.terraform.io", "registry.opentofu.org")
        };
        for arguments in
            [&["apply", "-auto-approve"][..], &["plan", "-detailed-exitcode"], &["destroy", "-auto-approve"]]
        {
            let output = workspace.command(arguments).env("TF_REATTACH_PROVIDERS", &value).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(provider.try_wait().unwrap().is_none(), "it still runs");
        signal("INT", i64::from(provider.id()));
        assert!(provider.wait().unwrap().success());
        workspace.expect_nothing_left();
    }
}

#[test]
fn log_lines_arrive_with_their_level() {
    for program in terraforms() {
        let workspace = Workspace::new(&program, "resource \"everykind_box\" \"a\" { name = \"a\" }");
        let output = workspace.command(&["plan"]).env("TF_LOG_PROVIDER", "info").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("[INFO]  provider.terraform-provider-everykind: configured"), "{errors}");
        let output = workspace.command(&["plan"]).env("TF_LOG_PROVIDER", "trace").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("configured") && !errors.contains("@module=h2"), "{errors}");
    }
}

#[test]
fn started_by_hand_it_explains_itself() {
    let output = Command::new(support::provider()).env_remove("TF_PLUGIN_MAGIC_COOKIE").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    for expected in ["example/everykind", "terraform init", "dev_overrides", "--debug"] {
        assert!(text.contains(expected), "{text}");
    }
    let version = Command::new(support::provider()).arg("--version").output().unwrap();
    assert!(version.status.success());
}
