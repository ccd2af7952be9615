use super::*;

const GOOD: &str = r#"
issuer = "https://taskpass.acme.example"
spiffe_id = "spiffe://acme.example/taskpass/broker"
policy = "policy"
installation = "installation.toml"
[identity]
certificate = "svid.pem"
key = "svid.key"
[trust_domain."acme.example"]
bundle = "acme.pem"
[store]
path = "/var/lib/taskpass/taskpass.db"
[[sealing_key]]
id = "2026"
file = "seal.key"
"#;

fn parse(text: &str) -> Result<BrokerConfig, String> {
    BrokerConfig::parse(text, Path::new("/etc/taskpass")).map_err(|error| error.to_string())
}

#[test]
fn takes_paths_relative_to_the_file_and_defaults_of_the_contract() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.policy, Path::new("/etc/taskpass/policy"));
    assert_eq!(config.store, Path::new("/var/lib/taskpass/taskpass.db"));
    assert_eq!(config.heartbeat_interval, Duration::from_secs(5));
    assert_eq!(config.heartbeat_limit, Duration::from_secs(15));
    assert_eq!(config.retention, Duration::from_secs(7 * 86_400));
    let state = Path::new("/var/lib/taskpass");
    assert_eq!(config.audit_directory, state.join("audit-log"));
    assert_eq!(config.audit_key, state.join("audit.key"));
    assert_eq!(config.audit_retention, None);
    assert_eq!(config.listen.workload.port(), 8440);
    assert_eq!(
        config.listen.operations.unwrap().to_string(),
        "127.0.0.1:9440"
    );
}

#[test]
fn names_the_key_and_what_to_write_instead() {
    let table = [
        (
            "issuer = \"https://taskpass.acme.example\"",
            "issuer = \"http://acme.example\"",
            "`issuer`",
        ),
        (
            "issuer = \"https://taskpass.acme.example\"",
            "issuer = \"https://a/?x\"",
            "`issuer`",
        ),
        (
            "issuer = \"https://taskpass.acme.example\"",
            "issuer = \"http://localhost.evil\"",
            "`issuer`",
        ),
        (
            "spiffe://acme.example/taskpass/broker",
            "spiffe://ACME/x",
            "`spiffe_id`",
        ),
        ("key = \"svid.key\"", "", "`identity`"),
        (
            "key = \"svid.key\"",
            "key = \"svid.key\"\nworkload_api = \"unix:///a\"",
            "`certificate` and `key`, or `workload_api`",
        ),
        (
            "bundle = \"acme.pem\"",
            "workload_api = \"/run/agent.sock\"",
            "unix:///run/spire/agent.sock",
        ),
        (
            "[[sealing_key]]",
            "[[sealing_key]]\nid = \"2026\"\nfile = \"new.key\"\n[[sealing_key]]",
            "two keys are called `2026`",
        ),
        (
            "[store]",
            "[store]\nretention = \"7 days\"",
            "`store.retention`",
        ),
        (
            "[store]",
            "[audit]\nretention = \"soon\"\n[store]",
            "`audit.retention`",
        ),
        (
            "[store]",
            "[store]\nretension = \"7d\"",
            "unknown field `retension`",
        ),
        (
            "[store]",
            "[heartbeat]\nlimit = \"6s\"\n[store]",
            "`heartbeat.limit`",
        ),
        (
            "[store]",
            "[listen]\npublic = \"0.0.0.0:8443\"\n[store]",
            "public_behind_proxy",
        ),
        (
            "[store]",
            "[listen]\noperations = \"0.0.0.0:9440\"\n[store]",
            "operations_from_anywhere",
        ),
        (
            "\"acme.example\"]",
            "\"Acme.example\"]",
            "`trust_domain.Acme.example`",
        ),
        (
            "[[sealing_key]]\nid = \"2026\"\nfile = \"seal.key\"",
            "",
            "missing field `sealing_key`",
        ),
    ];
    for (from, to, named) in table {
        assert!(GOOD.contains(from), "{from}");
        let error = parse(&GOOD.replace(from, to)).unwrap_err();
        assert!(error.contains(named), "{to}: {error}");
    }
}

#[test]
fn operators_are_named_besides_root_and_the_brokers_own_user() {
    let more = format!("{GOOD}[listen]\nadmin_uids = [4711]\n");
    let own = rustix::process::geteuid().as_raw();
    for (text, expected) in [(GOOD, vec![0, own]), (&more, vec![4711, 0, own])] {
        assert_eq!(parse(text).unwrap().listen.admin_uids, expected);
    }
}
