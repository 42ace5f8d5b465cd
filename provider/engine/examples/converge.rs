//! Makes hosts what a file says, without Terraform: `cargo run -p kubeone-engine --example converge -- spec.json [remove]`.
//!
//! The file holds `{ "cluster": …, "ssh": … }` with the attributes of the resource and of the provider block.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use kubeone_engine::{Cx, Event, Hosts, execute, observe};
use kubeone_hosts::{Host, LocalEnvironment, SshConnector};
use kubeone_plan::{Wanted, check, check_removal, plan_create_or_update, plan_removal};
use kubeone_spec::{ClusterSpec, SshSettings};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
struct Input {
    cluster: ClusterSpec,
    ssh: SshSettings,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: converge SPEC.json [remove]")?;
    let removes = arguments.next().as_deref() == Some("remove");
    let Input { cluster: spec, ssh } = serde_json::from_slice(&std::fs::read(path)?)?;
    let hosts = connect(&spec, &ssh)?;
    let wanted = Wanted::new(spec);

    let began = Instant::now();
    let observed = observe(&wanted, &hosts).await;
    println!("observed in {:.2} s", began.elapsed().as_secs_f64());
    let (plan, findings) = if removes {
        let plan = plan_removal(&wanted, &observed);
        let findings = check_removal(&wanted, &observed);
        (plan, findings)
    } else {
        let plan = plan_create_or_update(&wanted, &observed);
        let findings = check(&wanted, &plan, &observed);
        (plan, findings)
    };
    println!("{plan}");
    for finding in &findings {
        println!("{finding:?}");
    }

    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let show = |event: Event<'_>| {
        if let Event::ActionEnded { report, .. } = event {
            println!("{:6.1} s  {}", began.elapsed().as_secs_f64(), report.action);
        }
    };
    match execute(&plan, &cx, &show).await {
        Ok(report) => println!("{report}"),
        Err(error) => return Err(format!("{error}\n{}", error.detail()).into()),
    }
    Ok(())
}

fn connect(spec: &ClusterSpec, ssh: &SshSettings) -> Result<Hosts, Box<dyn Error>> {
    let home = std::env::home_dir();
    let agent_socket = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let environment = LocalEnvironment { home, agent_socket, system_known_hosts: Vec::new() };
    let connector = SshConnector::new(ssh, &environment)?;
    let connected = spec
        .hosts()
        .map(|(name, _, host)| Ok((name.to_owned(), Arc::new(connector.connect(name, host)?) as Arc<dyn Host>)));
    let wanted = connected.collect::<Result<BTreeMap<_, _>, Box<dyn Error>>>()?;
    Ok(Hosts { wanted, leaving: BTreeMap::new() })
}
