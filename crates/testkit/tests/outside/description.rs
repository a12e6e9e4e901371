//! The API against its own description: schemathesis makes requests of the OpenAPI document, good and bad ones,
//! and checks that every answer is one that the document tells of.

use std::process::Command;

use portward_testkit::{Program, run};

use crate::python;

#[test]
fn the_api_does_what_its_description_says() {
    let server = Program::new().start();
    let password = server.files().join("password");
    std::fs::write(&password, "quietly 7 herons walk uphill\n").unwrap();
    let init = server.command(&["init", "--owner", "ada", "--password-stdin"]);
    run_with_input(init, &password);
    let mut create = vec!["token", "create", "schemathesis"];
    create.extend(PERMISSIONS.iter().flat_map(|permission| ["--permission", permission]));
    let token = server.portward(&create);

    let document = server.files().join("openapi.json");
    let address = format!("http://{}", server.admin);
    run(Command::new("curl")
        .args(["--silent", "--fail", "--header", &format!("Authorization: Bearer {}", token.trim())])
        .arg("--output")
        .arg(&document)
        .arg(format!("{address}/api/v1/openapi.json")));
    let config = server.files().join("schemathesis.toml");
    std::fs::write(&config, format!("base-url = \"{address}\"\n{CONFIG}")).unwrap();
    let examples = std::env::var("SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "10".to_owned());
    let mut test = Command::new(python::program("schemathesis", &["schemathesis==4.*"], "schemathesis"));
    test.arg("--config-file").arg(&config).arg("run").arg(&document);
    test.args(["--checks", "all", "--continue-on-failure", "--max-examples", &examples, "--seed", "7"]);
    for (operation, _) in LEFT_OUT {
        test.args(["--exclude-operation-id", operation]);
    }
    test.env("API_TOKEN", token.trim()).current_dir(server.files());
    run(&mut test);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"), "{log}");
}

/// Operations that would end the test itself, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("stream_events", "its answer does not end"),
    ("restore_store", "its body is a backup, and after it the token is another server's"),
    ("revoke_token", "it takes away the token of the test"),
    ("remove_user", "it takes away the owner of the token"),
    ("edit_user", "it disables the owner of the token"),
    ("add_issuer", "it asks whatever directory it is given"),
    ("configure_letsencrypt", "it asks Let's Encrypt"),
    ("set_oidc", "it is asked about what it is given"),
    ("test_oidc", "it asks whatever provider it is given"),
    ("apply_desired_state", "it asks whatever directory it is given"),
    ("sign_in", "a token is no session"),
    ("sign_out", "a token is no session"),
    ("change_own_password", "a token is no session"),
    ("begin_second_factor", "a token is no session"),
    ("finish_second_factor", "a token is no session"),
    ("end_second_factor", "a token is no session"),
    ("create_owner", "there is an owner"),
    ("make_setup_link", "it is for the admin socket"),
];

/// All there are.
const PERMISSIONS: &[&str] = &[
    "view",
    "binding:change",
    "site:change",
    "certificate:change",
    "certificate:export-private-key",
    "issuer:change",
    "issuer:run-program",
    "https-settings:change",
    "settings:change",
    "user:view",
    "user:change",
    "token:change",
    "audit:view",
    "notification:change",
    "metrics:view",
    "store:backup",
    "store:restore",
];

/// What a schema cannot say, as that a name is taken or that no CA has issued, is refused with 409, 412 and 422.
const CONFIG: &str = r#"
headers = { Authorization = "Bearer ${API_TOKEN}" }
request-timeout = 30

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "412", "415", "422"]
"#;

fn run_with_input(mut command: Command, input: &std::path::Path) {
    let output = command.stdin(std::fs::File::open(input).unwrap()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
