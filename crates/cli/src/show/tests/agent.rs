//! Agents, deliveries and the identity as people see them.

use portward_api::{
    AgentCheckStep, AgentChecked, AgentDisk, AgentJoinView, AgentReport, AgentView, DeliveryView, IdentityChanged,
    IdentityStateView, IdentityView, LaggardView, RotationView, StrangerView,
};

use super::*;

fn web_03() -> AgentView {
    AgentView {
        name: "web-03".to_owned(),
        health: "Healthy".to_owned(),
        reasons: Vec::new(),
        dialling: "polling".to_owned(),
        listening: None,
        thumbprint: "ab".repeat(32),
        next_thumbprint: None,
        previous_thumbprint: None,
        trusted: "2026-10-01T12:00:00Z".to_owned(),
        origin: "joined".to_owned(),
        connected: true,
        address: Some("192.0.2.7:51234".to_owned()),
        last_heard: Some("2026-11-20T12:00:00Z".to_owned()),
        checked: Some("2026-11-20T12:00:00Z".to_owned()),
        version: Some("0.1.0".to_owned()),
        deliveries: 2,
        trust_is_newest: true,
        report: None,
    }
}

fn app_01() -> AgentView {
    AgentView {
        name: "app-01".to_owned(),
        health: "Unavailable".to_owned(),
        reasons: vec!["app-01.example:10933 refuses connections. Is the agent running there?".to_owned()],
        dialling: "listening".to_owned(),
        listening: Some("app-01.example:10933".to_owned()),
        origin: "thumbprint".to_owned(),
        connected: false,
        address: None,
        last_heard: None,
        version: None,
        deliveries: 0,
        trust_is_newest: false,
        ..web_03()
    }
}

fn step(step: &str, mark: &str, message: &str, remedy: Option<&str>) -> AgentCheckStep {
    AgentCheckStep {
        step: step.to_owned(),
        mark: mark.to_owned(),
        message: message.to_owned(),
        remedy: remedy.map(str::to_owned),
    }
}

fn checked(name: &str, health: &str, reasons: &[&str], steps: Vec<AgentCheckStep>) -> AgentChecked {
    let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
    AgentChecked { name: name.to_owned(), health: health.to_owned(), reasons, steps, milliseconds: 12 }
}

fn refused() -> AgentChecked {
    let steps = vec![
        step("tcp", "good", "app-01:10933 takes connections.", None),
        step(
            "thumbprint",
            "bad",
            "It shows cd, and ab was expected.",
            Some("If it is new: portward agent trust app-01"),
        ),
        step("health", "skipped", "It was not tried.", None),
    ];
    let reason = "It shows cd, and ab was expected. If it is new: portward agent trust app-01";
    checked("app-01", "Unavailable", &[reason], steps)
}

#[test]
fn agents_are_a_line_each_with_why_they_are_not_healthy() {
    insta::assert_snapshot!(agents(&[web_03(), app_01()], Colour::None), @r"
    NAME    HEALTH       LINK        VERSION  DELIVERIES  WHY
    web-03  Healthy      up          0.1.0    2
    app-01  Unavailable  never seen           0           app-01.example:10933 refuses connections. Is the agent ru...
    ");
    assert!(agents(&[], Colour::None).contains("portward agent add NAME"));
}

#[test]
fn an_agent_is_shown_with_all_that_it_said() {
    let report = AgentReport {
        platform: "linux-x86_64".to_owned(),
        host_name: "web-03.example".to_owned(),
        started: "2026-11-01T00:00:00Z".to_owned(),
        clock_difference: -3,
        identity_since: "2026-10-01T12:00:00Z".to_owned(),
        identity_not_after: "2126-10-01T12:00:00Z".to_owned(),
        trusts: vec!["12".repeat(32), "34".repeat(32)],
        disks: vec![AgentDisk { path: "/etc/nginx".to_owned(), free: 5 << 30, total: 10 << 30 }],
        directories: vec!["/etc/nginx/tls".to_owned()],
        profiles: Vec::new(),
        policy_problem: Some("the policy is writable by others".to_owned()),
    };
    let agent = AgentView { report: Some(report), next_thumbprint: Some("cd".repeat(32)), ..web_03() };
    insta::assert_snapshot!(super::super::agent(&agent, Colour::None), @r"
    name        web-03
    health      Healthy
    who dials   the agent
    link        up
    address     192.0.2.7:51234
    last heard  2026-11-20T12:00:00Z
    checked     2026-11-20T12:00:00Z
    version     0.1.0
    thumbprint  abababababababababababababababababababababababababababababababab
    next        cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
    trusted     2026-10-01T12:00:00Z (joined)
    knows us    by the newest state
    deliveries  2
    host name   web-03.example
    platform    linux-x86_64
    runs since  2026-11-01T00:00:00Z
    clock       3 s behind ours
    identity    since 2026-10-01T12:00:00Z, dated until 2126-10-01T12:00:00Z
    trusts      1212121212121212121212121212121212121212121212121212121212121212
                3434343434343434343434343434343434343434343434343434343434343434
    disks       /etc/nginx: 5.0 GiB of 10.0 GiB free
    may write   /etc/nginx/tls
    profiles    none
    policy      the policy is writable by others
    ");
}

#[test]
fn one_agent_is_checked_step_by_step_and_nothing_is_said_twice() {
    insta::assert_snapshot!(agents_checked(&[refused()], Colour::None), @r"
    app-01 is Unavailable (12 ms).
    + good     tcp         app-01:10933 takes connections.
    x bad      thumbprint  It shows cd, and ab was expected.
                           If it is new: portward agent trust app-01
    - skipped  health      It was not tried.
    ");
    let elsewhere =
        checked("a", "HasWarnings", &["It lives on."], vec![step("health", "warning", "Its disk is full.", None)]);
    insta::assert_snapshot!(agents_checked(&[elsewhere], Colour::None), @r"
    a is HasWarnings (12 ms).
    ! warning  health  Its disk is full.
                       It lives on.
    ");
}

#[test]
fn several_agents_are_a_line_each_with_what_to_do() {
    let well = checked("web-03", "Healthy", &[], vec![step("health", "good", "It is healthy.", None)]);
    let ill = checked("b", "Unhealthy", &["One.", "Two."], vec![step("health", "bad", "One.", Some("Mend it."))]);
    insta::assert_snapshot!(agents_checked(&[well, refused(), ill], Colour::None), @r"
    NAME    HEALTH       WHY
    web-03  Healthy
    app-01  Unavailable  It shows cd, and ab was expected. If it is new: portward agent trust app-01
    b       Unhealthy    One.
                         Two.
                         Mend it.
    ");
}

#[test]
fn who_waits_is_told_with_the_command_that_trusts_them() {
    let stranger = |subject: &str, former: Option<&str>| StrangerView {
        id: "abababababababab".to_owned(),
        thumbprint: "ab".repeat(32),
        sha1: "CD".repeat(20),
        subject: subject.to_owned(),
        address: "192.0.2.7:51234".to_owned(),
        first_seen: "2026-11-20T12:00:00Z".to_owned(),
        last_seen: "2026-11-20T12:05:00Z".to_owned(),
        tries: 5,
        former: former.map(str::to_owned),
    };
    let waiting =
        [stranger("CN=web-03", None), stranger("CN=Not a name\u{1b}[2J", None), stranger("CN=?", Some("web-09"))];
    insta::assert_snapshot!(waiting_agents(&waiting), @r"
    3 wait to be approved. Compare the thumbprint on the machine first: portward-agent show-thumbprint
    abababababababab  came from   192.0.2.7:51234, 2026-11-20T12:05:00Z
                      thumbprint  abababababababababababababababababababababababababababababababab
                      says it is  CN=web-03
                      approve     portward agent approve abababababababab
    abababababababab  came from   192.0.2.7:51234, 2026-11-20T12:05:00Z
                      thumbprint  abababababababababababababababababababababababababababababababab
                      says it is  CN=Not a name\u{1b}[2J
                      approve     portward agent approve abababababababab --name NAME
    abababababababab  came from   192.0.2.7:51234, 2026-11-20T12:05:00Z
                      thumbprint  abababababababababababababababababababababababababababababababab
                      says it is  CN=?
                      before      this thumbprint was that of web-09
                      approve     portward agent approve abababababababab
    ");
}

#[test]
fn who_is_trusted_is_told_of_with_what_is_still_to_be_done() {
    insta::assert_snapshot!(agent_trusted(&web_03(), Effect::Apply), @"The agent web-03 is trusted, and comes within a minute if it runs. See how it is: portward agent check web-03");
    insta::assert_snapshot!(agent_trusted(&app_01(), Effect::Apply), @r"
    The agent app-01 is trusted, and is dialled at app-01.example:10933. See how it is: portward agent check app-01
    It has to trust this server too, if it does not yet: portward-agent configure --trust=THUMBPRINT, with the one that portward show-thumbprint prints.
    ");
    insta::assert_snapshot!(agent_trusted(&app_01(), Effect::DryRun), @"The agent app-01 would be trusted. Nothing was changed.");
}

#[test]
fn a_join_string_is_told_of_without_itself() {
    let join = AgentJoinView {
        id: "0123456789abcdef".to_owned(),
        name: "web-03".to_owned(),
        expires: "2026-11-20T12:30:00Z".to_owned(),
        addresses: vec!["portward.example:443".to_owned()],
    };
    insta::assert_snapshot!(join_created(&join), @r"
    The line lets one machine join as web-03, until 2026-11-20T12:30:00Z; it is not shown again.
    The agent will dial portward.example:443.
    On the machine, as root: portward-agent join -   (then paste the line)
    ");
}

#[test]
fn an_identity_is_shown_with_how_far_its_rotation_is() {
    let (new, old) = ("ab".repeat(32), "cd".repeat(32));
    let state = |thumbprint: &str, state: &str| IdentityStateView {
        thumbprint: thumbprint.to_owned(),
        state: state.to_owned(),
        created: "2026-11-20T12:00:00Z".to_owned(),
    };
    let rotation = RotationView {
        phase: "announce".to_owned(),
        since: "2026-11-20T12:00:00Z".to_owned(),
        agents: 12,
        acknowledged: 9,
        laggards: vec![LaggardView { name: "web-03".to_owned(), last_heard: None }],
    };
    let view = IdentityView {
        thumbprint: old.clone(),
        sha1: "EF".repeat(20),
        subject: "CN=Portward".to_owned(),
        since: "2026-01-01T00:00:00Z".to_owned(),
        bindings: Vec::new(),
        addresses: Vec::new(),
        identities: vec![state(&old, "current"), state(&new, "next")],
        rotation: Some(rotation.clone()),
    };
    insta::assert_snapshot!(identity(&view, Colour::None), @r"
    thumbprint    cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
    SHA-1         EFEFEFEFEFEFEFEFEFEFEFEFEFEFEFEFEFEFEFEF
    subject       CN=Portward
    in use since  2026-01-01T00:00:00Z
    agents dial   none
    next          abababababababababababababababababababababababababababababababab (since 2026-11-20T12:00:00Z)
    rotation      agents told of the next identity: 9 of 12
                  web-03 is missing; last heard: never
                  and 2 more
    ");
    let changed = |rotation| IdentityChanged {
        subject: "CN=Portward".to_owned(),
        old_thumbprint: old.clone(),
        new_thumbprint: new.clone(),
        rotation,
    };
    insta::assert_snapshot!(identity_changed(&changed(Some(rotation))), @r"
    The identity cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd is followed by abababababababababababababababababababababababababababababababab.
    Nothing is restarted, and agents follow by themselves: agents told of the next identity: 9 of 12. See how far it is: portward identity show
    ");
    insta::assert_snapshot!(identity_changed(&changed(None)), @r"
    The identity cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd is followed by abababababababababababababababababababababababababababababababab.
    Nothing is restarted, and no agent has to follow.
    ");
    insta::assert_snapshot!(identity_compromised(&changed(None)), @r"
    The identity cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd counts no more; abababababababababababababababababababababababababababababababab is in its place.
    Agents that were connected follow by themselves. One that was away has to join anew: portward agent list shows who, portward agent add NAME prints a line for it.
    ");
}

#[test]
fn a_delivery_is_shown_with_where_it_failed_and_why() {
    let view = DeliveryView {
        id: "web-03-shop".to_owned(),
        agent: "web-03".to_owned(),
        certificate: "shop".to_owned(),
        format: "pem".to_owned(),
        to: vec!["/etc/nginx/tls/shop.pem".to_owned(), "/etc/nginx/tls/shop.key".to_owned()],
        owner: String::new(),
        mode: "600".to_owned(),
        reload: Some("nginx".to_owned()),
        verify: None,
        state: "failed".to_owned(),
        wanted: Some(3),
        stored: Some(2),
        served: None,
        served_thumbprint: None,
        stage: Some("test".to_owned()),
        message: Some("nginx -t failed, so the old files are in their place again.".to_owned()),
        output: Some("nginx: [emerg] unknown directive\nnginx: test failed\n".to_owned()),
        at: Some("2026-11-20T12:00:00Z".to_owned()),
        next_try: Some("2026-11-20T12:05:00Z".to_owned()),
        generation: 7,
    };
    insta::assert_snapshot!(delivery(&view, Colour::None), @r"
    id           web-03-shop
    state        failed at test
    why          nginx -t failed, so the old files are in their place again.
    it said      nginx: [emerg] unknown directive
    it said      nginx: test failed
    agent        web-03
    certificate  shop
    format       pem
    to           /etc/nginx/tls/shop.pem, /etc/nginx/tls/shop.key
    owner        the agent's user, mode 600
    reload       nginx
    verify       nowhere
    wanted       3
    stored       2
    served       -
    last ended   2026-11-20T12:00:00Z
    next try     2026-11-20T12:05:00Z
    ");
    insta::assert_snapshot!(deliveries(&[view], Colour::None), @r"
    ID           AGENT   CERTIFICATE  STATE           WANTED  STORED  SERVED  WHY
    web-03-shop  web-03  shop         failed at test  3       2       -       nginx -t failed, so the old files are in their place again.
    ");
}

#[test]
fn a_removal_that_is_only_tried_says_so() {
    let gone = Removed { id: "web-03".to_owned(), warnings: vec!["the files stay".to_owned()] };
    insta::assert_snapshot!(removed_or_would_be("agent", &gone, Effect::DryRun), @r"
    The agent web-03 would be removed. Nothing was changed.
    Warning: the files stay
    ");
}
