//! The units in a machine with a real systemd: what their sandbox allows is enough, and what they promise holds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use serde_json::Value;
use taskpass_identity::ca::CertificateAuthority;

use super::machine::Machine;
use super::{CI, UNITS, unit};
use crate::support::installation::{BROKER, FACTS, POLICY, TRUST_DOMAIN, write_svid};
use crate::support::skipped;

const BROKER_TOML: &str = r#"
issuer = "https://taskpass.acme.example"
spiffe_id = "spiffe://acme.example/taskpass/broker"
policy = "policy"
installation = "installation.toml"
[identity]
certificate = "broker.pem"
key = "broker.key"
[trust_domain."acme.example"]
bundle = "bundle.pem"
[store]
path = "/var/lib/taskpass/broker/taskpass.db"
[audit]
key_file = "/run/credentials/taskpass-broker.service/audit-key"
[[sealing_key]]
id = "k1"
file = "/run/credentials/taskpass-broker.service/sealing-key"
[listen]
workload = "127.0.0.1:8440"
admin = "/run/taskpass-broker/admin.sock"
"#;

const AGENT_TOML: &str = r#"
[broker]
address = "127.0.0.1:8440"
spiffe_id = "spiffe://acme.example/taskpass/broker"
bundle = "bundle.pem"
[[identity]]
certificate = "docs.pem"
key = "docs.key"
uids = [4711]
"#;

const COMMAND: &str = "#!/bin/sh
trap 'exit 7' TERM
ls $TASKPASS_CREDENTIALS_DIR > $RUNTIME_DIRECTORY/seen.new
mv $RUNTIME_DIRECTORY/seen.new $RUNTIME_DIRECTORY/seen
while :; do sleep 0.05; done
";

/// What an operator puts in place before the first start, by docs/operations.md.
fn lay_out(root: &Path) {
    let folder = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let units = folder("etc/systemd/system");
    for name in UNITS {
        fs::write(units.join(name), unit(name)).unwrap();
    }
    let users = format!("{}u docs 4711\n", unit("taskpass.sysusers.conf"));
    fs::write(folder("etc/sysusers.d").join("taskpass.conf"), users).unwrap();
    let etc = folder("etc/taskpass");
    fs::write(etc.join("broker.toml"), BROKER_TOML).unwrap();
    fs::write(etc.join("agent.toml"), AGENT_TOML).unwrap();
    fs::write(etc.join("installation.toml"), FACTS).unwrap();
    fs::write(folder("etc/taskpass/policy").join("policy.toml"), POLICY).unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    let domain = TRUST_DOMAIN.parse().unwrap();
    let authority = CertificateAuthority::new(domain, year, UnixTime::now()).unwrap();
    fs::write(etc.join("bundle.pem"), authority.certificate_pem()).unwrap();
    write_svid(&authority, &etc.join("broker"), BROKER);
    write_svid(&authority, &etc.join("docs"), CI);
    let command = folder("usr/local/bin").join("deploy-docs");
    fs::write(&command, COMMAND).unwrap();
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
}

const FIRST_STEPS: &str = "
set -e
systemd-sysusers
cd /etc/taskpass
chown taskpass-broker broker.key
chown taskpass-agent docs.key
mkdir -m 0700 keys
(umask 077; openssl rand -hex 32 > keys/sealing-key)
taskpass audit key --create keys/audit-key
systemctl daemon-reload
systemctl start taskpass-broker taskpass-agent
";

impl Machine {
    fn taskpass(&self, line: &str) -> String {
        let socket = "/run/taskpass-broker/admin.sock";
        self.must(&format!("taskpass --admin-socket {socket} {line}"))
    }

    /// Starts the command's unit; the job that is open then.
    async fn start_command(&self) -> String {
        self.must("systemctl start deploy-docs");
        self.until("test -e /run/deploy-docs/seen").await;
        assert_eq!(
            self.must("cat /run/deploy-docs/seen"),
            "docs-api\ntickets-api\n"
        );
        let jobs = self.jobs();
        let open: Vec<_> = jobs.iter().filter(|job| job["state"] == "open").collect();
        assert_eq!(open.len(), 1, "{jobs:?}");
        open[0]["job"].as_str().unwrap().to_owned()
    }

    fn jobs(&self) -> Vec<Value> {
        let said = self.taskpass("job list --output json");
        let mut page: Value = serde_json::from_str(&said).unwrap();
        serde_json::from_value(page["jobs"].take()).unwrap()
    }

    fn job(&self, id: &str) -> Value {
        let jobs = self.jobs();
        jobs.into_iter().find(|job| job["job"] == id).unwrap()
    }

    fn property(&self, unit: &str, name: &str) -> String {
        let value = self.must(&format!("systemctl show --value --property={name} {unit}"));
        value.trim().to_owned()
    }
}

#[tokio::test]
async fn the_units_do_what_the_page_for_operators_says() {
    let machine = match Machine::boot(lay_out).await {
        Ok(machine) => machine,
        Err(why) => return skipped("the units under a systemd of their own", &why),
    };
    machine.must(FIRST_STEPS);
    a_stop_and_a_kill_of_the_commands_unit_end_its_job(&machine).await;
    a_job_goes_on_over_an_upgrade_a_crash_and_a_restart_of_the_broker(&machine).await;
    a_backup_that_root_restores_is_the_brokers_own(&machine).await;
    for daemon in ["taskpass-agent", "taskpass-broker"] {
        machine.must(&format!("systemctl stop {daemon}"));
        assert_eq!(machine.property(daemon, "Result"), "success", "{daemon}");
    }
}

async fn a_stop_and_a_kill_of_the_commands_unit_end_its_job(machine: &Machine) {
    let job = machine.start_command().await;
    machine.must("systemctl stop deploy-docs");
    let job = machine.job(&job);
    assert_eq!(
        (&job["state"], &job["cause"]),
        (&"ended".into(), &"process_exited".into())
    );
    assert_eq!(machine.property("deploy-docs", "ExecMainStatus"), "7");
    machine.must("test ! -e /run/deploy-docs");

    let job = machine.start_command().await;
    machine.must("systemctl kill --signal=KILL deploy-docs");
    machine
        .until(&format!("taskpass --admin-socket /run/taskpass-broker/admin.sock job show {job} | grep -q process_exited"))
        .await;
    machine.until("test ! -e /run/deploy-docs").await;
}

async fn a_job_goes_on_over_an_upgrade_a_crash_and_a_restart_of_the_broker(machine: &Machine) {
    let job = machine.start_command().await;
    let before = machine.property("taskpass-agent", "MainPID");
    machine.must("systemctl reload taskpass-agent");
    assert_ne!(machine.property("taskpass-agent", "MainPID"), before);
    assert_eq!(machine.property("taskpass-agent", "NRestarts"), "0");

    machine.must("systemctl kill --signal=KILL --kill-who=main taskpass-agent");
    machine
        .until("test $(systemctl show --value --property=NRestarts taskpass-agent) = 1 && systemctl is-active taskpass-agent")
        .await;

    machine.must("systemctl reload taskpass-broker");
    machine.must("systemctl restart taskpass-broker");
    assert_eq!(machine.job(&job)["state"], "open");
    machine.must("systemctl stop deploy-docs");
    machine
        .until(&format!("taskpass --admin-socket /run/taskpass-broker/admin.sock job show {job} | grep -q process_exited"))
        .await;
}

async fn a_backup_that_root_restores_is_the_brokers_own(machine: &Machine) {
    let job = machine.start_command().await;
    machine.taskpass("store backup /var/lib/taskpass/backups/today.db");
    machine.must("systemctl stop taskpass-broker");
    machine.must(
        "taskpass store restore /var/lib/taskpass/backups/today.db \
         --into /var/lib/taskpass/broker/taskpass.db",
    );
    // Looks only: it leaves no file of root's behind.
    machine.must("taskpass store check /var/lib/taskpass/broker/taskpass.db");
    machine.must("systemctl start taskpass-broker");
    let job = machine.job(&job);
    assert_eq!(job["cause"], "store_restored");
    machine.until("! systemctl is-active deploy-docs").await;
}
