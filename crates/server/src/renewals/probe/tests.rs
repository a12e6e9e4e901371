#![allow(clippy::unwrap_used, reason = "tests")]

mod fake;

use portward_core::acme::{Check, PortAnswer, Verdict};
use portward_store::{
    HttpChallenge,
    change::{Change, commit},
};
use tokio::task::JoinSet;

use super::*;
use crate::{
    app::Apply,
    fixture::{Fixture, binding, by, free_port, now, site},
    renewals::{Outside, Surroundings},
};
use fake::{CAA, OnlyDirectory, Says, resolver, router, server};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn issuer(port: u16, resolvers: Vec<SocketAddr>) -> Issuer {
    Issuer {
        id: portward_core::IssuerId::parse("ca").unwrap(),
        directory: "https://192.0.2.1/dir".to_owned(),
        trust: DirectoryTrust::System,
        contacts: Vec::new(),
        terms_agreed: true,
        eab_key_id: None,
        profile: None,
        challenge: None,
        preferred_chain: None,
        ports: IssuerPorts { http: port, tls: port },
        resolvers,
    }
}

/// Looks at `shop.test`, which leads to these addresses.
async fn look(fixture: &Fixture, addresses: &[&str], port: u16, answer: Option<(&str, &str)>) -> AdviceFacts {
    let mut tasks = JoinSet::new();
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| ip(address)).collect();
    let resolver = resolver(&mut tasks, move |_, _| Says::Addresses(addresses.clone())).await;
    let (name, issuer) = (HostPattern::parse("shop.test").unwrap(), issuer(port, vec![resolver]));
    let question = Question {
        name: &name,
        challenge: ChallengeKind::Http01,
        issuer: Some(&issuer),
        ca: None,
        answer,
        reach: None,
    };
    fixture.probe.gather(question).await
}

async fn bind(fixture: &Fixture) -> u16 {
    let port = free_port();
    fixture.app.add_binding(&by(), &binding(&format!("http://127.0.0.1:{port}")), Apply::Now).await.unwrap();
    port
}

#[tokio::test]
async fn whoever_answers_on_the_port_is_told_of() {
    let fixture = Fixture::start().await;
    let mut tasks = JoinSet::new();
    let port = free_port();
    let other = "HTTP/1.1 404 Not Found\r\nServer: nginx/1.28\r\nContent-Length: 0\r\n\r\n";
    let redirect = "HTTP/1.1 301 Moved\r\nLocation: https://shop.test/\r\nContent-Length: 0\r\n\r\n";
    server(&mut tasks, SocketAddr::new(ip("127.0.0.2"), port), other).await;
    server(&mut tasks, SocketAddr::new(ip("127.0.0.3"), port), redirect).await;
    server(&mut tasks, SocketAddr::new(ip("127.0.0.4"), port), "SSH-2.0-OpenSSH\r\n").await;
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
    for answer in [None, Some(("token", "token.thumbprint"))] {
        let facts = look(&fixture, &addresses, port, answer).await;
        assert_eq!(facts.addresses, Some(Ok(addresses.iter().map(|address| ip(address)).collect())));
        assert!(facts.own_addresses.contains(&ip("127.0.0.1")), "{:?}", facts.own_addresses);
        let [other, redirect, no_http, refused] = facts.answers.as_slice() else { unreachable!("{facts:?}") };
        let nginx = PortAnswer::OtherServer { status: 404, server: Some("nginx/1.28".to_owned()) };
        assert_eq!(*other, (ip("127.0.0.2"), nginx));
        let location = "https://shop.test/".to_owned();
        assert_eq!(*redirect, (ip("127.0.0.3"), PortAnswer::Redirect { location, status: 301 }));
        assert!(matches!(&no_http.1, PortAnswer::Failed(why) if why.contains("HTTP")), "{no_http:?}");
        assert_eq!(*refused, (ip("127.0.0.5"), PortAnswer::Refused));
    }
}

#[tokio::test]
async fn our_own_token_is_recognised_and_no_other() {
    let fixture = Fixture::start().await;
    let port = bind(&fixture).await;
    let mut change = Change::of_work();
    let host = Host::parse("shop.test").unwrap();
    change.put_http_challenge(&HttpChallenge::parse(host, "token", "token.thumbprint", port).unwrap());
    let revision = commit(&fixture.store, change).await.unwrap();
    fixture.served.reached(revision, LIMIT).await.unwrap();
    let facts = look(&fixture, &["127.0.0.1"], port, Some(("token", "token.thumbprint"))).await;
    assert_eq!(facts.answers, [(ip("127.0.0.1"), PortAnswer::OurToken)]);
    assert_eq!(facts.binding, Some(PortBinding::Bound));
    let facts = look(&fixture, &["127.0.0.1"], port, Some(("token", "token.other"))).await;
    assert_eq!(facts.answers, [(ip("127.0.0.1"), PortAnswer::OtherServer { status: 200, server: None })]);
}

#[tokio::test]
async fn without_a_token_we_are_recognised_by_what_our_binding_says_and_nothing_is_changed() {
    let fixture = Fixture::start().await;
    let port = bind(&fixture).await;
    let mut tasks = JoinSet::new();
    let here = SocketAddr::new(ip("127.0.0.1"), port);
    router(&mut tasks, SocketAddr::new(ip("127.0.0.2"), port), here).await;
    let other = "HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n";
    server(&mut tasks, SocketAddr::new(ip("127.0.0.3"), port), other).await;
    let before = fixture.stored().await.revision;
    let ours = |address: &str| (ip(address), PortAnswer::OurToken);
    let nginx = PortAnswer::OtherServer { status: 404, server: Some("nginx".to_owned()) };
    let facts = look(&fixture, &["127.0.0.1", "127.0.0.2", "127.0.0.3"], port, None).await;
    assert_eq!(facts.answers, [ours("127.0.0.1"), ours("127.0.0.2"), (ip("127.0.0.3"), nginx)]);
    assert_eq!(fixture.stored().await.revision, before);

    // Challenges are answered before force HTTPS redirects: our own redirect stands in nobody's way.
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let site = portward_api::SiteCreate { force_https: Some("all".to_owned()), ..site(&["shop.test"]) };
    fixture.app.add_site(&by(), &site, Apply::Now).await.unwrap();
    let facts = look(&fixture, &["127.0.0.2"], port, None).await;
    assert_eq!(facts.answers, [ours("127.0.0.2")]);
}

#[tokio::test]
async fn an_application_that_never_says_the_same_twice_is_not_blamed() {
    let own = |body: &str| ask::Said { status: 404, server: None, location: None, body: body.to_owned() };
    let judged =
        |said: &str| ports::judge(Ok(own(said)), &ports::Expected::Like(Some(own("404\nRequest ID: a"))), false);
    assert_eq!(judged("404\nRequest ID: b"), Some(PortAnswer::OurToken));
    assert_eq!(judged("a page with another token"), None);
    let refused = ports::judge(Err(PortAnswer::Refused), &ports::Expected::Like(None), true);
    assert_eq!(refused, Some(PortAnswer::Refused));
}

#[tokio::test]
async fn what_dns_says_is_told_and_what_it_does_not_say_is_unknown() {
    let fixture = Fixture::start().await;
    let mut tasks = JoinSet::new();
    let resolver = resolver(&mut tasks, |name, kind| match (name, kind) {
        ("gone.test", _) => Says::NoSuchName,
        ("broken.test" | "www.broken.test", _) => Says::ServFail,
        ("shop.test", CAA) => Says::Caa("ca.test"),
        ("www.shop.test", CAA) => Says::NoSuchName,
        _ => Says::Addresses(vec![ip("203.0.113.7"), ip("2001:db8::7")]),
    })
    .await;
    let issuer = issuer(1, vec![resolver]);
    let look = async |name: &str| {
        let name = HostPattern::parse(name).unwrap();
        let challenge = ChallengeKind::Dns01;
        let question = Question { name: &name, challenge, issuer: Some(&issuer), ca: None, answer: None, reach: None };
        fixture.probe.gather(question).await
    };
    let facts = look("www.shop.test").await;
    assert_eq!(facts.addresses, Some(Ok(vec![ip("203.0.113.7"), ip("2001:db8::7")])));
    let Some(Ok(caa)) = facts.caa else { unreachable!("{facts:?}") };
    assert_eq!((caa.found_at.as_str(), caa.records[0].value.as_str()), ("shop.test", "ca.test"));
    assert_eq!(facts.dnssec, Some(Dnssec::Unsigned));
    assert_eq!((facts.binding, facts.answers), (None, Vec::new()));
    assert_eq!(look("gone.test").await.addresses, Some(Ok(Vec::new())));
    let facts = look("*.broken.test").await;
    assert!(matches!(&facts.addresses, Some(Err(why)) if why.contains("SERVFAIL")), "{facts:?}");
    assert!(matches!(&facts.caa, Some(Err(why)) if why.contains("SERVFAIL")), "{facts:?}");
    let facts = look("127.0.0.1").await;
    assert_eq!(facts.addresses, Some(Ok(vec![ip("127.0.0.1")])));
    assert_eq!((facts.caa, facts.dnssec), (None, None));
}

#[tokio::test]
async fn a_port_is_ours_free_for_the_challenge_or_somebody_elses() {
    let fixture = Fixture::start().await;
    let port = bind(&fixture).await;
    assert_eq!(fixture.probe.binding(Scheme::Http, port), PortBinding::Bound);
    assert_eq!(fixture.probe.binding(Scheme::Https, port), PortBinding::Missing);
    assert_eq!(fixture.probe.binding(Scheme::Http, free_port()), PortBinding::ForTheChallenge);
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let found = fixture.probe.binding(Scheme::Http, taken.local_addr().unwrap().port());
    assert!(matches!(found, PortBinding::Failed(_)), "{found:?}");
}

#[tokio::test]
async fn what_is_counted_and_known_of_the_ca_is_told() {
    let fixture = Fixture::start().await;
    let issuer = issuer(1, Vec::new());
    let name = HostPattern::parse("shop.test").unwrap();
    let mut change = Change::of_work();
    change.put_orders(&issuer.id, &[now(); 3]);
    change.put_failures(&name, &[now(); 9]);
    commit(&fixture.store, change).await.unwrap();
    let budgets = fixture.probe.budgets(Some(&issuer), &name).await;
    let limits = Limits::OTHERS;
    assert_eq!(budgets[0], (LimitKind::Orders, Budget::Free { left: limits.orders.count - 3 }));
    assert!(matches!(budgets[1], (LimitKind::FailedValidations, Budget::Spent { .. })), "{budgets:?}");
    assert!(fixture.probe.budgets(None, &name).await.is_empty());
    let of_ca = fixture.probe.of_ca(Some(&Err("its authorities cannot be read".to_owned()))).await;
    assert_eq!(of_ca.directory, Some(Err("its authorities cannot be read".to_owned())));
    for (directory, trust, expected) in [
        ("https://192.0.2.1/dir", DirectoryTrust::System, Vantage::Internet),
        ("https://10.0.0.1/dir", DirectoryTrust::System, Vantage::Network),
        ("https://[::1]:14000/dir", DirectoryTrust::System, Vantage::Network),
        ("https://localhost/dir", DirectoryTrust::System, Vantage::Network),
        ("https://192.0.2.1/dir", DirectoryTrust::Authorities(Vec::new()), Vantage::Network),
    ] {
        let issuer = Issuer { directory: directory.to_owned(), trust, ..issuer.clone() };
        assert_eq!(vantage(Some(&issuer)).await, expected, "{directory}");
    }
}

#[tokio::test]
async fn the_directory_tells_the_clock_and_the_name_of_the_ca() {
    let fixture = Fixture::start().await;
    let date = Some(now().plus(Duration::from_secs(90)));
    let caa_identities = vec!["ca.test".to_owned()];
    let ca = OnlyDirectory(DirectoryFacts { date, caa_identities, ..DirectoryFacts::default() });
    let name = HostPattern::parse("127.0.0.1").unwrap();
    let challenge = ChallengeKind::Http01;
    let question =
        Question { name: &name, challenge, issuer: None, ca: Some(Ok(Arc::new(ca))), answer: None, reach: None };
    let facts = fixture.probe.gather(question).await;
    assert_eq!(facts.directory, Some(Ok(())));
    assert_eq!(facts.clocks, Some(Clocks { ours: now(), of_ca: now().plus(Duration::from_secs(90)) }));
    assert_eq!(facts.caa_identities, ["ca.test"]);
}

#[tokio::test]
async fn the_engine_is_advised_by_what_is_real() {
    let fixture = Fixture::start().await;
    let mut tasks = JoinSet::new();
    let port = free_port();
    let other = "HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n";
    server(&mut tasks, SocketAddr::new(ip("127.0.0.1"), port), other).await;
    let resolver = resolver(&mut tasks, |_, _| Says::Addresses(vec![ip("127.0.0.1")])).await;
    let issuer = Issuer { directory: format!("https://127.0.0.1:{}/dir", free_port()), ..issuer(port, vec![resolver]) };
    let name = HostPattern::parse("shop.test").unwrap();
    let answer = Some(("token", "token.thumbprint"));
    let advice = Outside::new(fixture.probe.clone(), Arc::clone(fixture.app.agents()))
        .advise(&issuer, &name, ChallengeKind::Http01, answer)
        .await;
    let verdict = |check| advice.iter().find(|advice| advice.check == check).map(|advice| advice.verdict);
    assert_eq!(verdict(Check::Directory), Some(Verdict::Warning), "{advice:?}");
    assert_eq!(verdict(Check::Binding), Some(Verdict::Warning), "{advice:?}");
    assert_eq!(verdict(Check::Addresses), Some(Verdict::Good), "{advice:?}");
    let port = advice.iter().find(|advice| advice.check == Check::Port).unwrap();
    assert!(port.verdict == Verdict::Warning && port.message.contains("nginx"), "{port:?}");
}
