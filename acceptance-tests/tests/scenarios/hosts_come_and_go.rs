//! Hosts made by Terraform alone: unknown before they exist, stable afterwards, replaced and removed one by one.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use acceptance_tests::lab;
use acceptance_tests::scenario::{Address, Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Result, ensure};

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("hosts-come-and-go", programs)?;
    without_cluster(&scenario)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "2");

    let plan = scenario.plan()?;
    let address = plan.attribute("terraform_data.witness", "/input/worker-1/address")?;
    ensure!(address == Attribute::Unknown, "the address of a host that does not exist is {address:?}");
    scenario.apply()?;
    for name in ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1", "worker-2"] {
        scenario.machine(name).run("systemctl is-system-running --wait")?;
    }

    a_host_can_be_replaced(&mut scenario)?;
    a_machine_can_take_over_a_name(&mut scenario, Address::Same)?;
    a_machine_can_take_over_a_name(&mut scenario, Address::Other)?;
    a_host_survives_a_power_cut(&scenario)?;
    a_host_reboots_in_good_order(&scenario)?;
    ssh_alone_can_be_cut(&scenario)?;

    scenario.set_names("control_planes", &["control-plane-2"]);
    scenario.apply()?;
    let hosts: Vec<_> = lab::host::list(scenario.lab())?.into_iter().map(|host| host.name).collect();
    ensure!(hosts == ["control-plane-2", "worker-1", "worker-2"], "after two hosts are taken away there are {hosts:?}");

    scenario.destroy()?;
    ensure!(lab::host::list(scenario.lab())?.is_empty(), "hosts survived `terraform destroy`");
    let lab = scenario.lab().clone();
    drop(scenario);
    let remains = lab::remains(&lab)?;
    ensure!(remains.is_empty(), "the lab left {remains:?}");
    Ok(())
}

/// Puts a witness of what a cluster would see in the place of the cluster, so that no provider is needed.
fn without_cluster(scenario: &Scenario) -> Result<()> {
    let terraform = &scenario.terraform;
    let main = std::fs::read_to_string(terraform.folder().join("main.tf"))?;
    let hosts = main.split("# --- The cluster").next().unwrap_or_default();
    let witness = "resource \"terraform_data\" \"witness\" {\n  input = local.hosts\n}\n";
    terraform.write("main.tf", &format!("{hosts}{witness}"))?;
    terraform.write("versions.tf", "")
}

fn a_host_can_be_replaced(scenario: &mut Scenario) -> Result<()> {
    let before = scenario.machine("worker-1").host()?;
    let run = scenario.terraform.apply(&["-replace=terraform_data.host[\"worker-1\"]"])?;
    run.must_succeed()?;
    scenario.plan()?.must_be_empty()?;
    let after = scenario.machine("worker-1").host()?;
    ensure!(before.instance_id != after.instance_id, "the new host has the instance id of the old one");
    ensure!(before.ssh_host_key != after.ssh_host_key, "the new host has the SSH key of the old one");
    let seen = scenario.state()?;
    let seen = seen.value("terraform_data.witness", "/output/worker-1/instance_id")?;
    ensure!(seen == after.instance_id.as_str(), "terraform knows the instance id {seen}");
    Ok(())
}

fn a_machine_can_take_over_a_name(scenario: &mut Scenario, address: Address) -> Result<()> {
    let before = scenario.machine("control-plane-3").host()?;
    scenario.machine("control-plane-3").remove()?;
    scenario.new_machine("control-plane-3", address)?;
    scenario.apply()?;
    let after = scenario.machine("control-plane-3").host()?;
    ensure!(before.ssh_host_key != after.ssh_host_key, "the new machine has the SSH key of the old one");
    let same = before.address == after.address;
    ensure!(same == (address == Address::Same), "{} became {} ({address:?})", before.address, after.address);
    Ok(())
}

fn a_host_survives_a_power_cut(scenario: &Scenario) -> Result<()> {
    let machine = scenario.machine("worker-2");
    machine.run("echo kept >/root/kept && sync")?;
    machine.reboot()?;
    let kept = machine.run("cat /root/kept")?;
    ensure!(kept == "kept\n", "the disk holds `{kept}` after a power cut");
    ensure!(machine.ssh_logins()? == 0, "somebody logged in");
    Ok(())
}

fn a_host_reboots_in_good_order(scenario: &Scenario) -> Result<()> {
    let machine = scenario.machine("worker-1");
    let script = "echo there >/run/there; systemd-run --quiet --unit witness --property ExecStop='touch /root/stopped' sleep 600";
    machine.run(script)?;
    let before = machine.traces()?;
    machine.must_be_untouched_since(&before)?;
    machine.reboot_in_order()?;
    machine.run("test -e /root/stopped && ! test -e /run/there")?;
    ensure!(machine.must_be_untouched_since(&before).is_err(), "a reboot left no trace");
    Ok(())
}

fn ssh_alone_can_be_cut(scenario: &Scenario) -> Result<()> {
    let machine = scenario.machine("worker-1");
    let address = SocketAddr::from((machine.host()?.address, 22));
    let answers = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
    ensure!(answers(), "SSH does not answer before it is cut");
    machine.answer_ssh(false)?;
    ensure!(!answers(), "SSH answers although it is cut");
    machine.answer_ssh(true)?;
    ensure!(answers(), "SSH does not answer any more");
    Ok(())
}
