//! `run` warns of standing keys in the environment that it hands on.

use super::fake_agent::FakeAgent;
use super::stderr;

#[test]
fn standing_keys_are_named_and_never_shown() {
    let agent = FakeAgent::start();
    let run = |options: &[&str]| {
        let mut command = agent.run(options, &["true"]);
        command
            .env("OPENAI_API_KEY", "s3cr3t-by-name")
            .env("HARMLESS", "ghp_s3cr3tbyvalue0123")
            .env("EDITOR", "vi");
        command.output().unwrap()
    };
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0));
    let warning = stderr(&output);
    assert!(
        warning.contains("standing keys: HARMLESS, OPENAI_API_KEY."),
        "{warning}"
    );
    assert!(
        !warning.contains("s3cr3t") && !warning.contains("EDITOR"),
        "{warning}"
    );
    assert_eq!(stderr(&run(&["--no-env-warning"])), "");
}
