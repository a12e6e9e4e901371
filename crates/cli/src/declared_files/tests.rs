#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::{BindingDeclared, DnsProviderDeclared, SettingsUpdate, SiteDeclared};

use super::*;

fn site(id: &str) -> SiteDeclared {
    let names = ["shop.test", "*.shop.test"];
    let site = serde_json::json!({
        "id": id, "names": names, "upstreams": ["http://127.0.0.1:3000"], "force_https": "off",
    });
    serde_json::from_value(site).unwrap()
}

fn state() -> DesiredState {
    let secret = SecretDeclared { env: Some("PORTWARD_TEST_NOT_SET".to_owned()), ..SecretDeclared::default() };
    DesiredState {
        settings: Some(SettingsUpdate {
            force_https: Some("off".to_owned()),
            warning_days: Some(30),
            ..SettingsUpdate::default()
        }),
        issuers: Some(Vec::new()),
        dns_providers: Some(vec![DnsProviderDeclared {
            id: "cf".to_owned(),
            kind: "cloudflare".to_owned(),
            settings: Default::default(),
            secrets: [("api_token".to_owned(), secret)].into(),
        }]),
        certificates: Some(Vec::new()),
        bindings: Some(vec![BindingDeclared {
            id: "http-80".to_owned(),
            url: "http://[::]:80".to_owned(),
            default_certificate: None,
            accept_proxy_from: Vec::new(),
            to: Vec::new(),
        }]),
        sites: Some(vec![site("shop"), site("wiki")]),
    }
}

#[test]
fn what_is_written_is_read_back_and_written_the_same_again() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("desired");
    let written = write(&out, &state()).unwrap();
    assert_eq!(read(&out).unwrap(), state());
    let first: Vec<String> = written.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    write(&out, &read(&out).unwrap()).unwrap();
    let second: Vec<String> = written.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(first, second);
    assert_eq!(first[1], "issuers: []\n");
    insta::assert_snapshot!(first[5], @r"
    sites:
    - id: shop
      names:
      - shop.test
      - '*.shop.test'
      upstreams:
      - http://127.0.0.1:3000
      force_https: off
    - id: wiki
      names:
      - shop.test
      - '*.shop.test'
      upstreams:
      - http://127.0.0.1:3000
      force_https: off
    ");
}

#[test]
fn files_are_joined_and_what_is_no_declaration_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("b.yaml", "sites:\n- {id: b, names: [b.test], upstreams: ['http://127.0.0.1:1']}\n");
    write("a.json", r#"{"sites": [{"id": "a", "names": ["a.test"], "upstreams": ["http://127.0.0.1:1"]}]}"#);
    write("empty.yml", "# nothing yet\n");
    write("README.md", "sites: none");
    write(".hidden.yaml", "sites: none");
    let read = read(directory.path()).unwrap();
    let ids: Vec<String> = read.sites.unwrap().into_iter().map(|site| site.id).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(read.bindings, None);
}

#[test]
fn what_cannot_be_read_is_told_with_file_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sites.yaml");
    for (text, place, part) in [
        ("sites:\n- id: a\n  nmes: [a.test]\n", "sites.yaml:3:3: ", "unknown field `nmes`"),
        ("site:\n- id: a\n", "sites.yaml:1:1: ", "unknown field `site`"),
        ("sites:\n- id: a\n  names: a.test\n", "sites.yaml:3:10: ", "expected a sequence"),
        ("sites: [\n", "sites.yaml:2:1: ", ""),
    ] {
        fs::write(&file, text).unwrap();
        let failure = read(directory.path()).unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        let told = failure.to_string();
        assert!(told.contains(place) && told.contains(part), "{text:?}: {told}");
    }
}

#[test]
fn secrets_come_from_where_the_file_says() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dns.yaml");
    let declared =
        |secret: &str| format!("dns_providers:\n- id: cf\n  kind: cloudflare\n  secrets:\n    api_token: {secret}\n");
    fs::write(directory.path().join("token"), "marker\n").unwrap();
    fs::write(&file, declared("{file: token}")).unwrap();
    let read_secret = || read(&file).map(|state| state.dns_providers.unwrap()[0].secrets["api_token"].clone());
    assert_eq!(read_secret().unwrap().value.unwrap().expose(), "marker");
    fs::write(&file, declared("{env: PORTWARD_TEST_NOT_SET}")).unwrap();
    assert_eq!(read_secret().unwrap().value, None);
    for (secret, part) in [
        ("{value: marker}", "not written into such a file"),
        ("{}", "one of env and file"),
        ("{file: none}", "not in a file of that name"),
        ("marker", "dns.yaml:5:16: "),
    ] {
        fs::write(&file, declared(secret)).unwrap();
        let told = read_secret().unwrap_err().to_string();
        assert!(told.contains(part) && (secret == "marker" || !told.contains("marker")), "{secret}: {told}");
    }
}
