#![allow(clippy::unwrap_used, reason = "tests")]
use std::{fmt::Write as _, net::IpAddr};

use super::*;
use crate::Timestamp;

type Change = fn(&mut AdviceFacts);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| ip(text)).collect()
}

fn leads_to(facts: &mut AdviceFacts, addresses: &[&str]) {
    facts.addresses = Some(Ok(ips(addresses)));
}

fn facts(name: &str) -> AdviceFacts {
    let name = HostPattern::parse(name).unwrap();
    AdviceFacts::new(name, ChallengeKind::Http01, 80, Vantage::Internet)
}

fn other(status: u16, server: Option<&str>) -> PortAnswer {
    PortAnswer::OtherServer { status, server: server.map(str::to_owned) }
}

/// What is said about one check; nothing if it is not spoken of.
fn said(facts: &AdviceFacts, check: Check) -> Option<(Verdict, String)> {
    let found: Vec<Advice> = advise(facts).into_iter().filter(|advice| advice.check == check).collect();
    assert!(found.len() <= 1, "{found:?}");
    found.into_iter().next().map(|advice| {
        assert_eq!(advice.verdict == Verdict::Warning, advice.remedy.is_some() && advice.verdict != Verdict::Good);
        (advice.verdict, advice.message)
    })
}

fn verdicts(name: &str, check: Check, table: &[(&str, Option<Verdict>, Change)]) {
    for (what, expected, change) in table {
        let mut facts = facts(name);
        change(&mut facts);
        let told = said(&facts, check);
        assert_eq!(told.as_ref().map(|(verdict, _)| *verdict), *expected, "{what}: {told:?}");
    }
}

const GOOD: Option<Verdict> = Some(Verdict::Good);
const WARNING: Option<Verdict> = Some(Verdict::Warning);
const UNKNOWN: Option<Verdict> = Some(Verdict::Unknown);

#[test]
fn nothing_is_said_of_what_was_not_looked_at() {
    assert_eq!(advise(&facts("shop.example")), []);
}

#[test]
fn a_name_must_lead_here_as_far_as_that_can_be_seen() {
    verdicts(
        "shop.example",
        Check::Addresses,
        &[
            ("no address", WARNING, |facts| leads_to(facts, &[])),
            ("no look-up", UNKNOWN, |facts| facts.addresses = Some(Err("the resolver does not answer".to_owned()))),
            ("our own address", GOOD, |facts| {
                leads_to(facts, &["203.0.113.7"]);
                facts.own_addresses = ips(&["203.0.113.7", "10.0.0.2"]);
            }),
            ("somebody's address", WARNING, |facts| {
                leads_to(facts, &["198.51.100.9"]);
                facts.own_addresses = ips(&["203.0.113.7"]);
            }),
            ("one of two is ours", WARNING, |facts| {
                leads_to(facts, &["203.0.113.7", "198.51.100.9"]);
                facts.own_addresses = ips(&["203.0.113.7"]);
            }),
            ("the router in front, perhaps", UNKNOWN, |facts| {
                leads_to(facts, &["198.51.100.9"]);
                facts.own_addresses = ips(&["192.168.1.5"]);
            }),
            ("a router that leads here", GOOD, |facts| {
                leads_to(facts, &["198.51.100.9"]);
                facts.own_addresses = ips(&["192.168.1.5"]);
                facts.answers = vec![(ip("198.51.100.9"), PortAnswer::OurToken)];
            }),
            ("a private address", WARNING, |facts| {
                leads_to(facts, &["192.168.1.5"]);
                facts.own_addresses = ips(&["192.168.1.5"]);
            }),
            ("loopback", WARNING, |facts| leads_to(facts, &["127.0.0.1"])),
            ("a private address for a private CA", GOOD, |facts| {
                leads_to(facts, &["192.168.1.5"]);
                facts.own_addresses = ips(&["192.168.1.5"]);
                facts.vantage = Vantage::Network;
            }),
            ("IPv6 elsewhere has its own check", GOOD, |facts| {
                leads_to(facts, &["203.0.113.7", "2001:db8::7"]);
                facts.own_addresses = ips(&["203.0.113.7"]);
            }),
            ("IPv6 alone", WARNING, |facts| {
                leads_to(facts, &["2001:db8::7"]);
                facts.own_addresses = ips(&["2001:db8::1"]);
            }),
            ("dns-01", None, |facts| {
                leads_to(facts, &["192.168.1.5"]);
                facts.challenge = ChallengeKind::Dns01;
            }),
        ],
    );
}

#[test]
fn an_ipv6_address_must_lead_to_where_the_others_do() {
    fn both(facts: &mut AdviceFacts, answer: Option<PortAnswer>, own: &[&str]) {
        leads_to(facts, &["203.0.113.7", "2001:db8::7"]);
        facts.own_addresses = ips(own);
        facts.answers = answer.map(|answer| (ip("2001:db8::7"), answer)).into_iter().collect();
    }
    verdicts(
        "shop.example",
        Check::Ipv6,
        &[
            ("no AAAA", None, |facts| leads_to(facts, &["203.0.113.7"])),
            ("AAAA alone", None, |facts| leads_to(facts, &["2001:db8::7"])),
            ("ours", GOOD, |facts| both(facts, None, &["203.0.113.7", "2001:db8::7"])),
            ("our token", GOOD, |facts| both(facts, Some(PortAnswer::OurToken), &["203.0.113.7"])),
            ("another server", WARNING, |facts| both(facts, Some(other(404, Some("Apache"))), &["203.0.113.7"])),
            ("a machine without IPv6", WARNING, |facts| both(facts, Some(PortAnswer::TimedOut), &["203.0.113.7"])),
            ("silence", WARNING, |facts| {
                both(facts, Some(PortAnswer::TimedOut), &["203.0.113.7", "2001:db8::1"]);
            }),
            ("behind a router without IPv6", UNKNOWN, |facts| {
                both(facts, Some(PortAnswer::Failed("no route".to_owned())), &["192.168.1.5"]);
            }),
        ],
    );
}

#[test]
fn what_only_we_cannot_reach_is_unknown_and_blames_nobody() {
    for answer in [PortAnswer::Refused, PortAnswer::TimedOut, PortAnswer::Failed("no route".to_owned())] {
        let mut facts = facts("shop.example");
        leads_to(&mut facts, &["198.51.100.9"]);
        facts.own_addresses = ips(&["192.168.1.5", "127.0.0.1"]);
        facts.binding = Some(PortBinding::Bound);
        facts.answers = vec![(ip("198.51.100.9"), answer)];
        let (verdict, message) = said(&facts, Check::Port).unwrap();
        assert_eq!(verdict, Verdict::Unknown, "{message}");
        assert!(message.contains("behind a router"), "{message}");
        assert!(advise(&facts).iter().all(|advice| advice.verdict != Verdict::Warning), "{:?}", advise(&facts));
    }
}

#[test]
fn the_port_must_be_answered_by_us() {
    fn answered(facts: &mut AdviceFacts, answer: PortAnswer) {
        facts.own_addresses = ips(&["203.0.113.7"]);
        facts.answers = vec![(ip("203.0.113.7"), answer)];
    }
    verdicts(
        "shop.example",
        Check::Port,
        &[
            ("us", GOOD, |facts| answered(facts, PortAnswer::OurToken)),
            ("another server", WARNING, |facts| answered(facts, other(200, Some("nginx")))),
            ("another server at the router", WARNING, |facts| {
                facts.own_addresses = ips(&["192.168.1.5"]);
                facts.answers = vec![(ip("198.51.100.9"), other(200, None))];
            }),
            ("nobody", WARNING, |facts| answered(facts, PortAnswer::Refused)),
            ("nobody before the challenge", UNKNOWN, |facts| {
                answered(facts, PortAnswer::Refused);
                facts.binding = Some(PortBinding::ForTheChallenge);
            }),
            ("a firewall", WARNING, |facts| answered(facts, PortAnswer::TimedOut)),
            ("a redirect", None, |facts| {
                answered(facts, PortAnswer::Redirect { location: "https://shop.example/".to_owned(), status: 301 });
            }),
            ("IPv6 has its own check", GOOD, |facts| {
                answered(facts, PortAnswer::OurToken);
                facts.answers.push((ip("2001:db8::7"), PortAnswer::TimedOut));
            }),
            ("IPv6 alone", WARNING, |facts| {
                facts.own_addresses = ips(&["2001:db8::1"]);
                facts.answers = vec![(ip("2001:db8::7"), PortAnswer::TimedOut)];
            }),
        ],
    );
}

#[test]
fn the_other_checks_say_what_they_saw() {
    let time = |text: &str| Timestamp::parse(text).unwrap();
    let mut page = String::new();
    let mut show = |what: &str, name: &str, change: &dyn Fn(&mut AdviceFacts)| {
        let mut facts = facts(name);
        change(&mut facts);
        for Advice { check, verdict, message, remedy } in advise(&facts) {
            let remedy = remedy.map_or_else(String::new, |remedy| format!("  {remedy}\n"));
            writeln!(page, "> {what}\n{check}: {verdict}\n  {message}\n{remedy}").unwrap();
        }
    };
    let record = |value: &str| CaaRecord { flags: 0, tag: "issue".to_owned(), value: value.to_owned() };
    let caa = |facts: &mut AdviceFacts, values: &[&str]| {
        facts.caa_identities = vec!["letsencrypt.org".to_owned()];
        let records = values.iter().map(|value| record(value)).collect();
        facts.caa = Some(Ok(CaaSet { found_at: "shop.example".to_owned(), records }));
    };
    show("all is well", "www.shop.example", &|facts| {
        facts.directory = Some(Ok(()));
        facts.clocks = Some(Clocks { ours: time("2026-11-20T14:32:07Z"), of_ca: time("2026-11-20T14:32:09Z") });
        facts.budgets =
            vec![(LimitKind::Orders, Budget::Free { left: 240 }), (LimitKind::SameNames, Budget::Free { left: 2 })];
        leads_to(facts, &["203.0.113.7", "2001:db8::7"]);
        facts.own_addresses = ips(&["203.0.113.7", "2001:db8::7"]);
        facts.binding = Some(PortBinding::Bound);
        facts.answers = vec![(ip("203.0.113.7"), PortAnswer::OurToken), (ip("2001:db8::7"), PortAnswer::OurToken)];
        caa(facts, &["letsencrypt.org"]);
        facts.dnssec = Some(Dnssec::Secure);
    });
    show("directory", "shop.example", &|facts| facts.directory = Some(Err("connection refused".to_owned())));
    show("a slow clock", "shop.example", &|facts| {
        facts.clocks = Some(Clocks { ours: time("2026-11-17T10:00:00Z"), of_ca: time("2026-11-20T14:32:09Z") });
    });
    show("a fast clock", "shop.example", &|facts| {
        facts.clocks = Some(Clocks { ours: time("2026-11-20T14:40:00Z"), of_ca: time("2026-11-20T14:32:09Z") });
    });
    show("spent", "shop.example", &|facts| {
        let until = time("2026-11-22T09:00:00Z");
        facts.budgets = vec![
            (LimitKind::Orders, Budget::Free { left: 240 }),
            (LimitKind::SameNames, Budget::Spent { until, limit: LimitKind::SameNames }),
        ];
    });
    for binding in [
        PortBinding::ForTheChallenge,
        PortBinding::Missing,
        PortBinding::Failed("Address already in use (os error 98)".to_owned()),
    ] {
        show("binding", "shop.example", &|facts| facts.binding = Some(binding.clone()));
    }
    show("redirect", "shop.example", &|facts| {
        let location = "https://shop.example/".to_owned();
        facts.answers = vec![(ip("203.0.113.7"), PortAnswer::Redirect { location, status: 301 })];
    });
    show("no CAA", "shop.example", &|facts| facts.caa = Some(Ok(CaaSet::default())));
    show("CAA of another", "*.shop.example", &|facts| caa(facts, &["ca.test"]));
    show("CAA with an account", "shop.example", &|facts| {
        caa(facts, &["letsencrypt.org; accounturi=https://ca.test/7"])
    });
    show("CAA of a CA without a name", "shop.example", &|facts| {
        caa(facts, &["ca.test"]);
        facts.caa_identities.clear();
    });
    show("CAA fails", "shop.example", &|facts| facts.caa = Some(Err("SERVFAIL".to_owned())));
    show("CAA alone fails", "shop.example", &|facts| {
        leads_to(facts, &["203.0.113.7"]);
        facts.own_addresses = ips(&["203.0.113.7"]);
        facts.caa = Some(Err("SERVFAIL".to_owned()));
    });
    for dnssec in [
        Dnssec::Unsigned,
        Dnssec::Bogus("no DNSKEY for the DS".to_owned()),
        Dnssec::Unknown("the resolver does not validate".to_owned()),
    ] {
        show("DNSSEC", "www.shop.example", &|facts| facts.dnssec = Some(dnssec.clone()));
    }
    show("an address has neither CAA nor DNSSEC", "203.0.113.7", &|facts| {
        caa(facts, &["ca.test"]);
        facts.dnssec = Some(Dnssec::Unsigned);
    });
    for (what, address, own) in [
        ("a private address", "192.168.1.5", "192.168.1.5"),
        ("somebody's address", "198.51.100.9", "203.0.113.7"),
        ("behind a router", "198.51.100.9", "192.168.1.5"),
    ] {
        show(what, "shop.example", &|facts| {
            leads_to(facts, &[address]);
            facts.own_addresses = ips(&[own]);
            facts.answers = vec![(ip(address), PortAnswer::TimedOut)];
        });
    }
    for (name, own) in [("203.0.113.7", "203.0.113.7"), ("203.0.113.7", "203.0.113.8"), ("10.0.0.1", "10.0.0.1")] {
        show("a certificate for an address", name, &|facts| {
            leads_to(facts, &[name]);
            facts.own_addresses = ips(&[own, "127.0.0.1"]);
        });
    }
    show("somebody else", "shop.example", &|facts| {
        leads_to(facts, &["203.0.113.7", "2001:db8::7"]);
        facts.own_addresses = ips(&["203.0.113.7"]);
        facts.answers =
            vec![(ip("203.0.113.7"), other(200, None)), (ip("2001:db8::7"), other(404, Some("Apache/2.4")))];
    });
    insta::assert_snapshot!(page);
}
