//! From words about agents, deliveries and the identity to requests.

use portward_api::{AgentTrust, DeliveryCreate, IdentityRotate, IdentityUpdate};
use portward_core::{AgentName, DeliveryId, Thumbprint};

use super::*;
use crate::request::{
    agent::AgentRequest, delivery::DeliveryRequest, identity::IdentityRequest, octopus::OctopusRequest,
};

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

#[test]
fn words_about_agents_become_requests() {
    let delivery = || DeliveryId::parse("d1").unwrap();
    for (words, expected) in [
        ("agent list", Request::Agent(AgentRequest::List)),
        ("agent list --waiting", Request::Agent(AgentRequest::Waiting)),
        ("agent show WEB-03", Request::Agent(AgentRequest::Show(name("web-03")))),
        ("agent check a b", Request::Agent(AgentRequest::Check(vec![name("a"), name("b")]))),
        ("agent check --all", Request::Agent(AgentRequest::Check(Vec::new()))),
        ("agent rotate a", Request::Agent(AgentRequest::Rotate(name("a")))),
        ("agent remove a", Request::Agent(AgentRequest::Remove(name("a"), Effect::Apply))),
        ("agent remove a --dry-run", Request::Agent(AgentRequest::Remove(name("a"), Effect::DryRun))),
        (
            "agent approve 0123456789abcdef --name B",
            Request::Agent(AgentRequest::Approve("0123456789abcdef".to_owned(), Some(name("b")), Effect::Apply)),
        ),
        ("delivery list", Request::Delivery(DeliveryRequest::List)),
        ("delivery show d1", Request::Delivery(DeliveryRequest::Show(delivery()))),
        ("delivery retry d1", Request::Delivery(DeliveryRequest::Retry(delivery()))),
        ("delivery remove d1", Request::Delivery(DeliveryRequest::Remove(delivery(), Effect::Apply))),
        ("identity show", Request::Identity(IdentityRequest::Show)),
        ("identity new", Request::Identity(IdentityRequest::Rotate(IdentityRotate { compromised: false }))),
        ("identity rotate", Request::Identity(IdentityRequest::Rotate(IdentityRotate { compromised: false }))),
        (
            "identity rotate --compromised",
            Request::Identity(IdentityRequest::Rotate(IdentityRotate { compromised: true })),
        ),
    ] {
        assert_eq!(request(words), expected, "{words}");
    }
}

#[test]
fn where_agents_dial_and_are_let_in_is_what_was_said_and_nothing_else_is_changed() {
    let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    for (words, addresses, bindings) in [
        ("--address portward.test --address [2001:DB8::7]:1", some(&["portward.test:443", "[2001:db8::7]:1"]), None),
        ("--binding 0.0.0.0:10943 --binding [::]:10943", None, some(&["0.0.0.0:10943", "[::]:10943"])),
        ("--no-address --binding 127.0.0.1:1", some(&[]), some(&["127.0.0.1:1"])),
        ("--no-binding", None, some(&[])),
    ] {
        let edit = IdentityRequest::Edit(IdentityUpdate { addresses, bindings }, Effect::Apply);
        assert_eq!(request(&format!("identity edit {words}")), Request::Identity(edit), "{words}");
    }
}

#[test]
fn a_join_string_is_asked_for_with_all_that_was_said() {
    let Request::Agent(AgentRequest::Add(create, effect, _)) =
        request("agent add Web-03 --ttl 24h --address portward.test --address [2001:DB8::7]:10943")
    else {
        panic!("something else is asked for")
    };
    assert_eq!(effect, Effect::Apply);
    assert_eq!(
        serde_json::to_value(create).unwrap(),
        serde_json::json!({
            "name": "web-03",
            "ttl": "24h",
            "addresses": ["portward.test:443", "[2001:db8::7]:10943"],
        })
    );
}

#[test]
fn a_thumbprint_is_taken_in_any_form_and_a_sha1_goes_to_who_may_know_better() {
    let print = Thumbprint::of(b"agent").to_string();
    let pairs: Vec<&str> = (0..32).map(|i| &print[2 * i..2 * i + 2]).collect();
    let trust = |thumbprint: &str| AgentTrust {
        name: "a".to_owned(),
        thumbprint: thumbprint.to_owned(),
        listening: Some("web-03:10933".to_owned()),
    };
    let sha1 = "AB".repeat(20);
    for (typed, sent) in [
        (print.to_uppercase(), &print),
        (pairs.join(":"), &print),
        (format!("\u{200e}{print}"), &print),
        (sha1.clone(), &sha1),
    ] {
        let words = format!("agent trust a --thumbprint {typed} --listening web-03");
        assert_eq!(request(&words), Request::Agent(AgentRequest::Trust(trust(sent), Effect::Apply)), "{words:?}");
    }
}

#[test]
fn a_delivery_is_asked_for_with_all_that_was_said() {
    let words = "delivery add --agent web-03 --certificate shop --format pem --to /a/shop.pem --to /a/shop.key \
                 --owner root:ssl-cert --mode 0640 --reload nginx --verify Shop.test@127.0.0.1:443 --id d1";
    let Request::Delivery(DeliveryRequest::Add(add)) = request(words) else { panic!("{words}") };
    assert_eq!(
        add.read().unwrap(),
        DeliveryCreate {
            id: Some("d1".to_owned()),
            agent: "web-03".to_owned(),
            certificate: "shop".to_owned(),
            format: "pem".to_owned(),
            to: vec!["/a/shop.pem".to_owned(), "/a/shop.key".to_owned()],
            owner: Some("root:ssl-cert".to_owned()),
            mode: Some("640".to_owned()),
            reload: Some("nginx".to_owned()),
            verify: Some("shop.test@127.0.0.1:443".to_owned()),
            password: None,
        }
    );
}

#[test]
fn the_password_of_a_delivered_file_is_read_from_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    std::fs::write(&path, "hunter2\n").unwrap();
    let words = format!(
        "delivery add --agent a --certificate c --format pkcs12-java --to /a.p12 --password-file {}",
        path.display()
    );
    let Request::Delivery(DeliveryRequest::Add(add)) = request(&words) else { panic!("{words}") };
    assert_eq!(add.read().unwrap().password.unwrap().expose(), "hunter2");
}

#[test]
fn values_about_agents_that_make_no_sense_are_usage_with_the_flag_and_the_reason() {
    let add = "delivery add --agent a --certificate c --format";
    for (words, expected) in [
        ("identity edit", "nothing to change; give --address"),
        ("identity edit --address a:0", "--address: \"a:0\" is not a place to dial"),
        ("identity edit --binding 10943", "--binding: \"10943\" is not an address of this machine with a port"),
        ("agent add a/b", "\"a/b\" is not a name of an agent"),
        ("agent add a --ttl soon", "--ttl: \"soon\" is not a duration"),
        ("agent add a --address https://a:1", "--address: \"https://a:1\" is not a place to dial"),
        ("agent show -", "\"-\" is not a name of an agent"),
        ("agent check a /", "\"/\" is not a name of an agent"),
        ("agent approve 01 --name /", "--name: \"/\" is not a name of an agent"),
        ("agent trust a --thumbprint 00", "--thumbprint: the thumbprint has 2 hexadecimal digits"),
        ("agent trust a --thumbprint xyz", "--thumbprint: the thumbprint has the character 'x'"),
        (
            &format!("agent trust a --thumbprint {} --listening a:0", "ab".repeat(32)),
            "--listening: \"a:0\" is not a place to dial",
        ),
        ("identity new --pfx-password x", "a password is for a file; name one with --export-pfx FILE"),
        ("new-certificate", "say what the new certificate is for: --export-pfx FILE"),
        ("new-certificate --replace --pw x", "a password is for a file; name one with --export-pfx FILE"),
        ("delivery show D_1", "\"D_1\" is not an id"),
        (&format!("{add} jks --to /a"), "--format: \"jks\" is not a format; it is one of pem,"),
        (&format!("{add} pem --to /a"), "--to: pem has two files: first the leaf with its issuers"),
        (&format!("{add} pem --to /a --to /a"), "--to: \"/a\" is given twice"),
        (&format!("{add} pfx --to a.pfx"), "--to: \"a.pfx\" is not a path for a file"),
        (&format!("{add} pfx --to /a --to /b"), "--to: pfx has one file"),
        (&format!("{add} pem-combined --to /a --owner a:b:c"), "--owner: \"a:b:c\" is not an owner"),
        (&format!("{add} pem-combined --to /a --mode 644"), "--mode: \"644\" is not a mode for a private key"),
        (&format!("{add} pem-combined --to /a --reload ;reboot"), "--reload: \";reboot\" is not the name of a profile"),
        (&format!("{add} pem-combined --to /a --verify 127.0.0.1"), "--verify: \"127.0.0.1\" is not an address"),
        (&format!("{add} pem-combined --to /a --password-stdin"), "pem-combined is written without a password"),
    ] {
        let failure = parse(words).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{words}");
        let text = failure.to_string();
        assert!(text.starts_with(&format!("portward: {expected}")), "{words}: {text}");
    }
}

#[test]
fn octopus_spellings_ask_for_the_same_file_and_password() {
    let import = |words: &str| match request(words) {
        Request::Octopus(OctopusRequest::Import(file)) | Request::Identity(IdentityRequest::Import(file)) => file,
        other => panic!("{words}: {other:?}"),
    };
    let expected = import("import-certificate --from-file=a.pfx --pfx-password=p --console");
    for words in [
        "import-certificate -f a.pfx --pw=p",
        "import-certificate --instance OctopusServer --from-file a.pfx --pfx-password p",
        "identity import a.pfx --pfx-password p",
        "identity import --from-file a.pfx --pfx-password p",
    ] {
        assert_eq!(import(words), expected, "{words}");
    }
    let export = |words: &str| match request(words) {
        Request::Octopus(OctopusRequest::Export(file) | OctopusRequest::New { file: Some(file), .. })
        | Request::Identity(IdentityRequest::Write(file)) => file,
        other => panic!("{words}: {other:?}"),
    };
    for (ours, theirs) in [
        ("identity export --export-pfx a.pfx --pfx-password p", "export-certificate --export-pfx=a.pfx --pw=p"),
        ("identity new --export-pfx a.pfx --pfx-password p", "new-certificate --export-pfx=a.pfx --pfx-password=p"),
    ] {
        assert_eq!(export(ours), export(theirs), "{theirs}");
    }
    assert_eq!(
        request("new-certificate --replace"),
        Request::Octopus(OctopusRequest::New { file: None, replace: true })
    );
}

#[test]
fn a_typed_password_is_in_no_message() {
    let shown = format!("{:?}", request("import-certificate -f a.pfx --pw hunter2"));
    assert!(!shown.contains("hunter2"), "{shown}");
}
