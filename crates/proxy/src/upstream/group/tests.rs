#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use portward_core::Timestamp;

use super::*;
use crate::upstream::health::{InFlight, Trouble};

fn upstreams(ports: &[u16]) -> Vec<Upstream> {
    ports.iter().map(|port| Upstream::parse(&format!("http://127.0.0.1:{port}")).unwrap()).collect()
}

fn group(ports: &[u16]) -> Groups {
    Groups::from(upstreams(ports))
}

/// How often each one is chosen in so many requests.
fn shares(group: &Group, balance: Balance, requests: usize, now: Instant) -> Vec<usize> {
    let mut shares = vec![0; group.len()];
    for _ in 0..requests {
        shares[group.choose(balance, None, &Tried::default(), now).unwrap()] += 1;
    }
    shares
}

fn fail(group: &Group, index: usize, trouble: Trouble, now: Instant) {
    let times = if trouble == Trouble::Answers { 5 } else { 1 };
    for _ in 0..times {
        group.member(index).health.failed(trouble, &"it is away", now, now, Timestamp::EPOCH);
    }
}

#[test]
fn each_takes_its_turn_and_who_is_unwell_is_passed_over() {
    let (groups, now) = (group(&[1, 2, 3]), Instant::now());
    let group = groups.at(0);
    assert_eq!(shares(group, Balance::RoundRobin, 30, now), [10, 10, 10]);
    fail(group, 1, Trouble::Unreachable, now);
    assert_eq!(shares(group, Balance::RoundRobin, 30, now), [15, 0, 15]);
    fail(group, 0, Trouble::Answers, now);
    assert_eq!(shares(group, Balance::RoundRobin, 30, now), [0, 0, 30]);
    assert_eq!(shares(group, Balance::Sticky, 30, now), [0, 0, 30]);
    assert_eq!(shares(group, Balance::LeastConnections, 30, now), [0, 0, 30]);
}

#[test]
fn the_one_with_the_fewest_requests_is_chosen() {
    let (groups, now) = (group(&[1, 2, 3]), Instant::now());
    let group = groups.at(0);
    let busy = |index: usize, times: usize| -> Vec<_> {
        (0..times).map(|_| InFlight::at(&*group.member(index).health)).collect()
    };
    let _busy = (busy(0, 2), busy(2, 1));
    assert_eq!(shares(group, Balance::LeastConnections, 10, now), [0, 10, 0]);
    let _more = busy(1, 2);
    assert_eq!(shares(group, Balance::LeastConnections, 10, now), [0, 0, 10]);
    let _equal = busy(2, 1);
    let shares = shares(group, Balance::LeastConnections, 30, now);
    assert!(shares.iter().all(|share| *share > 5), "those alike take turns: {shares:?}");
}

#[test]
fn who_comes_back_is_tried_by_one_request_and_gets_a_share_that_grows() {
    let (groups, now) = (group(&[1, 2]), Instant::now());
    let group = groups.at(0);
    fail(group, 0, Trouble::Unreachable, now);
    let now = now + Duration::from_secs(10);
    assert_eq!(shares(group, Balance::RoundRobin, 10, now), [1, 9], "one tries");
    group.member(0).health.checked(None, now, Timestamp::EPOCH);
    group.member(0).health.checked(None, now, Timestamp::EPOCH);
    let early = shares(group, Balance::RoundRobin, 1000, now + Duration::from_secs(2));
    let late = shares(group, Balance::RoundRobin, 1000, now + Duration::from_secs(7));
    assert!((50..150).contains(&early[0]) && (300..400).contains(&late[0]), "{early:?} {late:?}");
    let early = shares(group, Balance::LeastConnections, 10, now + Duration::from_secs(7));
    assert_eq!(early, [0, 10], "with as much to do, the one that recovers has more than its share");
    assert_eq!(shares(group, Balance::RoundRobin, 100, now + Duration::from_secs(11)), [50, 50]);
}

#[test]
fn the_wanted_one_is_chosen_while_it_is_well() {
    let (groups, now) = (group(&[1, 2, 3]), Instant::now());
    let group = groups.at(0);
    let choose = |wanted, tried: &Tried| group.choose(Balance::Sticky, Some(wanted), tried, now).unwrap();
    for wanted in 0..3 {
        assert!((0..10).all(|_| choose(wanted, &Tried::default()) == wanted));
    }
    let mut tried = Tried::default();
    tried.add(1);
    assert!((0..10).all(|_| choose(1, &tried) != 1));
    fail(group, 2, Trouble::Answers, now);
    assert!((0..10).all(|_| choose(2, &Tried::default()) != 2));
    assert!((0..10).all(|_| choose(7, &Tried::default()) != 2), "an index of another time is none");
}

#[test]
fn if_nobody_is_well_who_answers_is_asked_and_who_does_not_is_tried_now_and_then() {
    let (groups, now) = (group(&[1, 2, 3]), Instant::now());
    let group = groups.at(0);
    fail(group, 0, Trouble::Unreachable, now);
    fail(group, 1, Trouble::Answers, now);
    fail(group, 2, Trouble::Unreachable, now + Duration::from_millis(1));
    assert_eq!(shares(group, Balance::RoundRobin, 10, now), [0, 10, 0]);
    let mut tried = Tried::default();
    tried.add(1);
    let choose = |after| group.choose(Balance::RoundRobin, None, &tried, now + Duration::from_millis(after));
    assert_eq!(choose(999), None, "it was tried a moment ago");
    assert_eq!([choose(1001), choose(1002)], [Some(0), None], "once a second");
    tried.add(0);
    let choose = |after| group.choose(Balance::RoundRobin, None, &tried, now + Duration::from_millis(after));
    assert_eq!(choose(1001), Some(2));
    tried.add(2);
    let choose = |after| group.choose(Balance::RoundRobin, None, &tried, now + Duration::from_millis(after));
    assert_eq!(choose(9000), None, "all were tried");
}

#[test]
fn the_only_one_is_tried_once_however_it_does() {
    let (groups, now) = (group(&[1]), Instant::now());
    let group = groups.at(0);
    fail(group, 0, Trouble::Unreachable, now);
    let mut tried = Tried::default();
    assert_eq!(group.choose(Balance::RoundRobin, None, &tried, now), Some(0));
    tried.add(0);
    assert_eq!(group.choose(Balance::RoundRobin, None, &tried, now), None);
}

#[test]
fn a_request_tries_three_at_most() {
    let (groups, now) = (group(&[1, 2, 3, 4, 5]), Instant::now());
    let mut tried = Tried::default();
    for _ in 0..3 {
        let index = groups.at(0).choose(Balance::RoundRobin, None, &tried, now).unwrap();
        assert!(!tried.has(index));
        tried.add(index);
    }
    assert_eq!(groups.at(0).choose(Balance::RoundRobin, None, &tried, now), None);
}

#[test]
fn the_longest_prefix_comes_first_and_a_view_has_them_all() {
    let routes = PathRoute::parse_all(["/a=http://127.0.0.1:2", "/a/b=http://127.0.0.1:3", "/a=http://127.0.0.1:4"]);
    let groups = Groups::new(&upstreams(&[1]), &routes.unwrap(), None, |_| None);
    let shown: Vec<_> = groups.view().into_iter().map(|view| (view.upstream, view.prefix)).collect();
    let prefix = |text| Some(PathPrefix::parse(text).unwrap());
    let [one, two, three, four] = upstreams(&[1, 2, 3, 4]).try_into().unwrap();
    assert_eq!(shown, [(one, None), (three, prefix("/a/b")), (two, prefix("/a")), (four, prefix("/a"))]);
}

#[test]
fn what_is_known_of_the_only_upstream_has_a_place_when_somebody_asks_for_it() {
    let (groups, now) = (group(&[1]), Instant::now());
    let upstream = &upstreams(&[1])[0];
    let well = UpstreamView { upstream: upstream.clone(), prefix: None, health: HealthView::default() };
    assert_eq!(groups.view(), [well]);
    assert!(groups.health(upstream).is_none() && !groups.is_portal() && !groups.has_routes() && groups.find("/") == 0);
    // One that was cloned before anybody asked is of the same groups.
    let clone = groups.clone();
    fail(groups.at(0), 0, Trouble::Unreachable, now);
    assert_eq!(clone.view()[0].health.failures, 1);
    let known = groups.health(upstream).unwrap();
    let next = Groups::new(&upstreams(&[1]), &[], None, |_| Some(Arc::clone(known)));
    assert!(Arc::ptr_eq(next.health(upstream).unwrap(), known));
    assert!(Groups::from(vec![Upstream::Portal]).is_portal());
}

#[test]
fn an_upstream_of_a_site_and_of_its_routes_is_one_and_the_same() {
    let routes = PathRoute::parse_all(["/a=http://127.0.0.1:1", "/b=http://127.0.0.1:2"]).unwrap();
    let mut asked = 0;
    let groups = Groups::new(&upstreams(&[1, 2]), &routes, None, |_| {
        asked += 1;
        None
    });
    assert_eq!(asked, 2, "each is asked for once");
    fail(groups.at(0), 0, Trouble::Unreachable, Instant::now());
    let failures: Vec<_> = groups.view().iter().map(|view| view.health.failures).collect();
    assert_eq!(failures, [1, 0, 1, 0], "its own two, then those of /a and /b");
}
