#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::{AgentJoinCreate, AgentTrust, DeliveryCreate, DeliveryView};
use portward_core::{Permission, Thumbprint};
use portward_link::{Identity, verify::Shown};

use super::{super::browser::Browser, board::Board};
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, import, now},
};

async fn trust(fixture: &Fixture, name: &str, listening: Option<&str>) {
    let thumbprint = Thumbprint::of(name.as_bytes()).to_string();
    let input = AgentTrust { name: name.to_owned(), thumbprint, listening: listening.map(str::to_owned) };
    fixture.app.trust_agent(&by(), &input, Apply::Now).await.unwrap();
}

/// Somebody comes who is not trusted; gives the id by which they are named.
fn come(fixture: &Fixture, subject: &str) -> (String, Thumbprint) {
    let identity = Identity::new(subject, now()).unwrap();
    let shown = Shown {
        thumbprint: identity.thumbprint(),
        sha1: identity.sha1(),
        subject: format!("CN={subject}"),
        issuer: format!("CN={subject}"),
    };
    fixture.app.agents().strangers().came(&shown, Some("198.51.100.77:40122".parse().unwrap()), None, now());
    (shown.thumbprint.to_string().to_lowercase()[..16].to_owned(), shown.thumbprint)
}

async fn certificate(fixture: &Fixture, name: &str) {
    let input = import(&bundle(&[name], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
}

async fn deliver(fixture: &Fixture, certificate: &str, agent: &str) {
    let input = DeliveryCreate {
        id: None,
        agent: agent.to_owned(),
        certificate: certificate.to_owned(),
        format: "pem".to_owned(),
        to: vec![format!("/etc/tls/{certificate}.pem"), format!("/etc/tls/{certificate}.key")],
        owner: None,
        mode: None,
        reload: None,
        verify: None,
        password: None,
    };
    fixture.app.add_delivery(&by(), &input, Apply::Now).await.unwrap();
}

#[tokio::test]
async fn an_empty_list_teaches() {
    let fixture = Fixture::start().await;
    let page = Browser::of(&fixture).get("/agents").await;
    page.shows("No agent yet");
    page.shows("href=\"/agents/add\"");
    page.shows("aria-current=\"page\"");
    let viewer = Browser::with(&fixture, &[Permission::View]).get("/agents").await;
    viewer.shows("No agent yet");
    viewer.hides("href=\"/agents/add\"");
}

#[tokio::test]
async fn the_list_finds_by_name_address_and_thumbprint_and_is_cut_into_pages() {
    let fixture = Fixture::start().await;
    for number in 0..52 {
        trust(&fixture, &format!("edge-{number:02}"), (number == 7).then_some("10.20.3.11:10933")).await;
    }
    let browser = Browser::of(&fixture);
    let first = browser.get("/agents?sort=name").await;
    for text in ["52 machines install certificates", "52 are out of reach", "page 1 of 2", "Never heard", "52 of 52"] {
        first.shows(text);
    }
    assert_eq!(first.text.matches("/check\"").count(), 50);
    browser.get("/agents?sort=name&page=9").await.shows("page 2 of 2");
    let thumbprint = Thumbprint::of(b"edge-31").to_string();
    for (query, found) in [("10.20", "edge-07"), ("edge-44", "edge-44"), (&thumbprint[..9], "edge-31")] {
        let page = browser.get(&format!("/agents?q={query}")).await;
        page.shows("1 of 52");
        page.shows(&format!("href=\"/agents/{found}\""));
    }
    browser.get("/agents?q=nobody").await.shows("No agent is like that");
    browser.get("/agents?show=connected").await.shows("0 of 52");
    let live = browser.get("/machines/live?q=edge-44").await;
    live.shows("id=\"live-machines\"");
    live.hides("edge-43");
    let viewer = Browser::with(&fixture, &[Permission::View]).get("/agents").await;
    viewer.hides("method=\"post\"");
}

#[tokio::test]
async fn somebody_who_comes_is_compared_and_trusted() {
    let fixture = Fixture::start().await;
    let (id, thumbprint) = come(&fixture, "edge-ams-1");
    let browser = Browser::of(&fixture);
    let page = browser.get("/agents").await;
    let hex = super::super::view::in_fours(&thumbprint.to_string());
    for text in ["wants to be an agent", "edge-ams-1", "from 198.51.100.77,", &hex, "SHA-1", "value=\"edge-ams-1\""] {
        page.shows(text);
    }
    page.hides("40122");
    let viewer = Browser::with(&fixture, &[Permission::View]).get("/agents").await;
    viewer.shows(&hex);
    viewer.hides("Trust this thumbprint");
    let refused = browser.post(&format!("/strangers/{id}/trust"), &[("name", "-no name-")]).await;
    assert_eq!(refused.status, 422);
    refused.shows("is not a name of an agent");
    refused.shows("value=\"-no name-\"");
    let trusted = browser.post(&format!("/strangers/{id}/trust"), &[("name", "edge-ams-2")]).await;
    assert_eq!(trusted.location(), "/agents/edge-ams-2");
    browser.get("/agents").await.hides("wants to be an agent");
    assert_eq!(browser.post(&format!("/strangers/{id}/trust"), &[("name", "x")]).await.status, 404);
}

/// A name that was filled in took the place of an agent that had it.
#[tokio::test]
async fn a_stranger_takes_the_place_of_an_agent_on_purpose_alone() {
    let fixture = Fixture::start().await;
    trust(&fixture, "edge-1", None).await;
    let (id, thumbprint) = come(&fixture, "edge-1");
    let browser = Browser::of(&fixture);
    let path = format!("/strangers/{id}/trust");
    let refused = browser.post(&path, &[("name", "edge-1")]).await;
    assert_eq!(refused.status, 409);
    refused.shows("tick the box");
    refused.shows("name=\"replace\"");
    let current = |fixture: &Fixture| fixture.app.agents().glances()[0].stored.value.pins.current;
    assert_ne!(current(&fixture), thumbprint);
    let replaced = browser.post(&path, &[("name", "edge-1"), ("replace", "yes")]).await;
    assert_eq!(replaced.location(), "/agents/edge-1");
    assert_eq!(current(&fixture), thumbprint);
}

#[tokio::test]
async fn who_is_refused_is_gone_until_they_come_again() {
    let fixture = Fixture::start().await;
    let (id, _) = come(&fixture, "edge-1");
    let browser = Browser::of(&fixture);
    assert_eq!(browser.post(&format!("/strangers/{id}/refuse"), &[]).await.location(), "/agents");
    browser.get("/agents").await.shows("No agent yet");
}

#[tokio::test]
async fn a_join_string_is_shown_once_with_a_script_that_reads_it_from_stdin() {
    let fixture = Fixture::start().await;
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let browser = Browser::of(&fixture);
    browser.get("/agents/add?name=web-03").await.shows("value=\"web-03\"");
    let fields = [("name", "web-03"), ("ttl", "8h"), ("addresses", "front.test:443"), ("binary", "https://a.test/b")];
    let made = browser.post("/agents/add/join", &fields).await;
    assert_eq!(made.status, 200);
    assert_eq!(made.headers["cache-control"], "no-store");
    for text in ["web-03 may join", "portward-agent join -", "front.test:443", "https://a.test/b", "in 8 hours"] {
        made.shows(text);
    }
    let string = made.text.split("aria-label=\"Join string\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(string.len() > 60, "{string}");
    assert_eq!(made.text.matches(&string).count(), 2, "alone, and in the script");
    for (field, value, text) in [
        ("name", "-", "is not a name of an agent"),
        ("ttl", "soon", "is not a time from"),
        ("addresses", "https://x", "is not a place to dial"),
        ("binary", "http://a.test/b", "Take it over https"),
    ] {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, given)| (*name, if *name == field { value } else { given })).collect();
        let refused = browser.post("/agents/add/join", &fields).await;
        assert_eq!(refused.status, 422, "{field}");
        refused.shows(text);
        refused.shows("aria-invalid=\"true\"");
        refused.hides("aria-label=\"Join string\"");
    }
}

#[tokio::test]
async fn an_agent_is_added_by_its_thumbprint_and_never_by_a_sha_1() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    let thumbprint = super::super::view::in_fours(&Thumbprint::of(b"x").to_string());
    let given = |thumbprint: &str, dialling: &str, listening: &str| {
        [("name", "web-03"), ("thumbprint", thumbprint), ("dialling", dialling), ("listening", listening)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let post = async |fields: [(String, String); 4]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post("/agents/add/thumbprint", &fields).await
    };
    let sha1 = post(given("F1D30DE16AFBA30CB8FD20070856EECC15DDF06C", "polling", "")).await;
    assert_eq!(sha1.status, 422);
    sha1.shows("SHA-1");
    let nowhere = post(given(&thumbprint, "listening", "")).await;
    assert_eq!(nowhere.status, 422);
    nowhere.shows("Say where it listens, HOST:PORT.");
    let added = post(given(&thumbprint, "listening", "10.20.3.11:10933")).await;
    assert_eq!(added.location(), "/agents/web-03");
    let page = browser.get("/agents/web-03").await;
    for text in [thumbprint.as_str(), "On its machine", "--port=10933", "10.20.3.11:10933", "Never heard"] {
        page.shows(text);
    }
    page.hides("poll-server");
    // Adding is not changing.
    let again = post(given(&super::super::view::in_fours(&Thumbprint::of(b"y").to_string()), "polling", "")).await;
    assert_eq!(again.status, 409);
    again.shows("There is an agent web-03 already");
}

#[tokio::test]
async fn an_agent_is_checked_changed_and_removed_from_its_page() {
    let fixture = Fixture::start().await;
    trust(&fixture, "edge-1", None).await;
    certificate(&fixture, "shop.test").await;
    deliver(&fixture, "shop-test", "edge-1").await;
    let browser = Browser::of(&fixture);
    assert_eq!(browser.post("/agents/edge-1/check", &[]).await.location(), "/agents/edge-1");
    let page = browser.get("/agents/edge-1").await;
    for text in
        ["edge-1 is not reached.", "The way to it", "It is not connected.", "portward-agent status", "shop-test"]
    {
        page.shows(text);
    }
    browser.get("/agents/edge-1/live").await.shows("id=\"live-health\"");
    let unreachable = browser.post("/agents/edge-1/rotate", &[]).await;
    assert_eq!(unreachable.status, 409);
    unreachable.shows("keeps its identity");
    let other = Thumbprint::of(b"other").to_string();
    let fields = [("thumbprint", other.as_str()), ("dialling", "listening"), ("listening", "10.0.0.1:10933")];
    assert_eq!(browser.post("/agents/edge-1/change", &fields).await.location(), "/agents/edge-1");
    browser.get("/agents/edge-1").await.shows("Portward dials it at 10.0.0.1:10933");
    let wrong = [("thumbprint", "12"), ("dialling", "polling"), ("listening", "")];
    let refused = browser.post("/agents/edge-1/change", &wrong).await;
    assert_eq!(refused.status, 422);
    refused.shows("id=\"thumbprint-e\"");
    assert_eq!(browser.post("/agents/nobody/change", &fields).await.status, 404);
    let ask = browser.get("/agents/edge-1/remove").await;
    for text in ["What stays on the machine", "/etc/tls/shop-test.key", "portward agent remove edge-1"] {
        ask.shows(text);
    }
    assert_eq!(browser.post("/agents/edge-1/remove", &[]).await.location(), "/agents");
    assert_eq!(browser.get("/agents/edge-1").await.status, 404);
    let viewer = Browser::with(&fixture, &[Permission::View]);
    assert_eq!(viewer.post("/agents/edge-1/remove", &[]).await.status, 403);
}

#[tokio::test]
async fn all_are_asked_and_the_page_tells_what_came_of_it() {
    let fixture = Fixture::start().await;
    for number in 0..3 {
        trust(&fixture, &format!("edge-{number}"), None).await;
    }
    let browser = Browser::of(&fixture);
    let begun = browser.post("/agent-checks", &[]).await;
    let path = begun.location().to_owned();
    assert_eq!(path, "/agent-checks/1");
    let page = loop {
        let page = browser.get(&path).await;
        if !page.text.contains("data-on") {
            break page;
        }
        tokio::task::yield_now().await;
    };
    for text in ["3 of 3 agents are not healthy", "3 out of reach", "Who answered last", "href=\"/agents/edge-2\""] {
        page.shows(text);
    }
    browser.get("/agents/edge-2").await.shows("The way to it");
    assert_eq!(browser.get("/agent-checks/2").await.status, 404);
    assert_eq!(browser.post("/agent-checks", &[]).await.location(), "/agent-checks/2");
    let viewer = Browser::with(&fixture, &[Permission::View]);
    viewer.get(&path).await.shows("3 out of reach");
    viewer.get("/agents").await.hides("Check all");
}

#[tokio::test]
async fn the_identity_is_made_rotated_and_replaced_on_purpose() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/agents/trust").await.shows("No identity yet");
    assert!(fixture.app.agents().identities().is_none(), "looking makes none");
    assert_eq!(browser.post("/agents/trust/make", &[]).await.location(), "/agents/trust");
    let ours =
        || super::super::view::in_fours(&fixture.app.agents().identities().unwrap().current.thumbprint().to_string());
    let first = ours();
    let page = browser.get("/agents/trust").await;
    for text in [first.as_str(), "SHA-1", "In use", "portward identity export"] {
        page.shows(text);
    }
    trust(&fixture, "edge-1", None).await;
    assert_eq!(browser.post("/agents/trust/rotate", &[]).await.location(), "/agents/trust");
    let rotating = browser.get("/agents/trust").await;
    for text in ["A rotation is under way", "0 of 1 acknowledged", "href=\"/agents/edge-1\"", "class=\"rail four\""] {
        rotating.shows(text);
    }
    browser.get("/agents/trust/live").await.shows("id=\"live-rotation\"");
    let typo = browser.post("/agents/trust/replace", &[("typed", "yes")]).await;
    assert_eq!(typo.status, 422);
    typo.shows("Type compromised");
    let before = ours();
    assert_eq!(
        browser.post("/agents/trust/replace", &[("typed", " Compromised ")]).await.location(),
        "/agents/trust#main"
    );
    assert_ne!(ours(), before);
    let viewer = Browser::with(&fixture, &[Permission::View]).get("/agents/trust").await;
    viewer.shows(&ours());
    viewer.hides("method=\"post\"");
}

#[tokio::test]
async fn an_identity_is_imported_from_a_file() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.post("/agents/trust/make", &[]).await;
    let none = browser.upload("/agents/trust/import", &[("password", "")], &[]).await;
    assert_eq!(none.status, 422);
    none.shows("Choose a file");
    let given = bundle(&["agents.test"], 90);
    let pem = portward_certs::export_pem(&given.chain, &given.key);
    let fields = [("file", pem.as_str()), ("password", "")];
    assert_eq!(browser.upload("/agents/trust/import", &fields, &[]).await.location(), "/agents/trust#main");
    let hex = super::super::view::in_fours(&given.facts.thumbprint.to_string());
    browser.get("/agents/trust").await.shows(&hex);
}

#[tokio::test]
async fn the_overview_and_the_palette_know_agents() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/").await.hides("href=\"/agents\">The agent");
    trust(&fixture, "edge-1", None).await;
    certificate(&fixture, "shop.test").await;
    deliver(&fixture, "shop-test", "edge-1").await;
    browser.get("/").await.shows("The agent is not healthy");
    let found = browser.get("/search/hits?q=edge-1").await;
    found.shows("href=\"/agents/edge-1\"");
    found.shows("href=\"/deliveries/shop-test-edge-1\"");
    browser.get("/certificates/shop-test").await.shows("href=\"/deliveries/shop-test-edge-1\"");
    let by: crate::app::Allowed<crate::app::right::AgentChange> = by();
    let input = AgentJoinCreate { name: "x".to_owned(), ttl: None, addresses: vec!["a.test:1".to_owned()] };
    fixture.app.add_agent(&by, &input, Apply::Now).await.unwrap();
}

fn view(certificate: &str, agent: &str, state: &str, there: Option<u32>) -> DeliveryView {
    DeliveryView {
        id: format!("{certificate}-{agent}"),
        agent: agent.to_owned(),
        certificate: certificate.to_owned(),
        format: "pem".to_owned(),
        to: vec!["/a".to_owned(), "/b".to_owned()],
        owner: String::new(),
        mode: "600".to_owned(),
        reload: None,
        verify: None,
        state: state.to_owned(),
        wanted: Some(5),
        stored: there,
        served: there,
        served_thumbprint: None,
        stage: None,
        message: None,
        output: None,
        at: None,
        next_try: None,
        generation: 1,
    }
}

#[test]
fn the_board_says_of_each_machine_what_is_there() {
    let all = [
        view("apps", "a", "installed", Some(5)),
        view("apps", "b", "drifted", Some(4)),
        view("apps", "c", "unreachable", Some(5)),
        view("git", "b", "failed", None),
        view("git", "c", "running", Some(4)),
        view("mail", "c", "paused", Some(4)),
    ];
    let board = Board::of(&all, "");
    assert_eq!(board.machines, ["a", "b", "c"]);
    let drawn: Vec<Vec<String>> = board
        .rows
        .iter()
        .map(|row| {
            let text =
                |cell: &Option<super::board::Cell>| cell.as_ref().map_or(String::new(), |cell| cell.text.clone());
            row.cells.iter().map(text).collect()
        })
        .collect();
    assert_eq!(drawn, [["v5", "v4", "v5?"], ["", "failed", "v4"], ["", "", "v4"]]);
    assert_eq!((board.tally.as_str(), board.cut), ("1 of 6 as wanted", None));
    let troubles: Vec<&str> = board.troubles.iter().map(|trouble| trouble.id.as_str()).collect();
    assert_eq!(troubles, ["git-b", "apps-b"]);
}

#[test]
fn a_long_board_has_those_with_trouble_first_and_is_searched() {
    let mut all = Vec::new();
    for machine in 0..100 {
        for certificate in 0..50 {
            let state = if machine == 77 && certificate == 33 { "failed" } else { "installed" };
            all.push(view(&format!("c{certificate:02}"), &format!("m{machine:02}"), state, Some(5)));
        }
    }
    let board = Board::of(&all, "");
    assert_eq!((board.machines.len(), board.rows.len()), (12, 40));
    assert_eq!((board.machines[0].as_str(), board.rows[0].certificate.as_str()), ("m77", "c33"));
    assert_eq!(
        board.cut.as_deref(),
        Some("Shown: 12 of 100 machines and 40 of 50 certificates, those with trouble first.")
    );
    assert_eq!(board.tally, "4,999 of 5,000 as wanted");
    let found = Board::of(&all, "m05 c4");
    assert_eq!((found.machines.len(), found.rows.len(), found.tally.as_str()), (1, 10, "10 of 10 as wanted"));
}
