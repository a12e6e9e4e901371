#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

#[test]
fn each_choice_is_read_as_it_is_written() {
    for text in ["round-robin", "least-connections", "sticky"] {
        assert_eq!(Balance::parse(text).unwrap().to_string(), text);
    }
    for text in ["off", "v1", "v2"] {
        assert_eq!(ProxyProtocol::parse(text).unwrap().to_string(), text);
    }
    for text in ["auto", "1", "2"] {
        assert_eq!(UpstreamHttp::parse(text).unwrap().to_string(), text);
    }
    for text in ["/", "/health", "/health?deep=1"] {
        assert_eq!(HealthPath::parse(text).unwrap().to_string(), text);
    }
    for text in ["none", "/none"] {
        assert_eq!(HealthPath::write(HealthPath::parse_choice(text).unwrap().as_ref()), text);
    }
}

#[test]
fn what_is_no_choice_is_refused_with_the_choices() {
    assert!(Balance::parse("random").unwrap_err().to_string().contains("least-connections"));
    assert!(ProxyProtocol::parse("on").unwrap_err().to_string().contains("v2"));
    assert!(UpstreamHttp::parse("h2").unwrap_err().to_string().contains("auto"));
    for text in ["", "health", "/a b", "/a#b", "/a\r\nb", "/ä"] {
        assert!(HealthPath::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn routes_of_one_prefix_are_one_route() {
    let texts = ["/api=http://127.0.0.1:1", "/docs=http://127.0.0.1:2", "/api/=http://127.0.0.1:3"];
    let routes = PathRoute::parse_all(texts).unwrap();
    let shown: Vec<_> = routes.iter().flat_map(PathRoute::texts).collect();
    assert_eq!(shown, ["/api=http://127.0.0.1:1", "/api=http://127.0.0.1:3", "/docs=http://127.0.0.1:2"]);
}

#[test]
fn what_is_no_route_is_refused_with_its_reason() {
    use ForwardingError as E;
    assert!(matches!(PathRoute::parse_all(["/api"]), Err(E::Route(_))));
    assert!(matches!(PathRoute::parse_all(["/api=ftp://a"]), Err(E::RouteUpstream { .. })));
    assert!(matches!(PathRoute::parse_all(["/api=portal"]), Err(E::RouteToPortal(_))));
    assert!(matches!(PathRoute::parse("/api", []), Err(E::RouteEmpty(_))));
    let twice = ["/api", "/docs", "/api/"].map(|prefix| PathRoute::parse(prefix, ["http://a"]).unwrap());
    assert!(matches!(PathRoute::check_all(&twice), Err(E::RouteTwice(_))));
    assert_eq!(PathRoute::check_all(&twice[..2]), Ok(()));
    for prefix in ["api", "", "/a//b", "/a/../b", "/.", "/%61", "/a?b", "/a b", "/a\\b", "/a;b"] {
        assert!(matches!(PathPrefix::parse(prefix), Err(E::Prefix(_))), "{prefix:?}");
    }
}

#[test]
fn the_longest_prefix_takes_a_path() {
    let routes = PathRoute::parse_all(["/=http://a", "/api/v2=http://b", "/api=http://c"]).unwrap();
    let forwarding = Forwarding { routes, ..Forwarding::default() };
    for (path, prefix) in [("/api/v2/x", "/api/v2"), ("/api/v22", "/api"), ("/apis", "/")] {
        assert_eq!(forwarding.route(path).unwrap().prefix.as_str(), prefix, "{path}");
    }
    assert_eq!(Forwarding::default().route("/"), None);
}

#[test]
fn a_prefix_has_whole_segments() {
    let prefix = PathPrefix::parse("/api/").unwrap();
    for (path, expected) in
        [("/api", true), ("/api/", true), ("/api/users", true), ("/apis", false), ("/", false), ("/v1/api", false)]
    {
        assert_eq!(prefix.has(path), expected, "{path}");
    }
    assert!(PathPrefix::parse("/").unwrap().has("/anything"));
}
