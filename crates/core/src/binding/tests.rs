#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn binding(url: &str) -> Binding {
    let (protocol, address) = Binding::parse_url(url).unwrap();
    Binding::new(BindingId::parse("b").unwrap(), protocol, address)
}

#[test]
fn a_binding_is_a_scheme_an_address_and_a_port() {
    for (given, shown) in [
        ("http://0.0.0.0:8080", "http://0.0.0.0:8080"),
        ("HTTPS://127.0.0.1", "https://127.0.0.1:443"),
        ("http://[::]", "http://[::]:80"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
        ("https://[::1]:0", "https://[::1]:0"),
        ("http://127.0.0.1:0/", "http://127.0.0.1:0"),
        ("tls-passthrough://[::]:10943", "tls-passthrough://[::]:10943"),
        ("TLS-Passthrough://[::]", "tls-passthrough://[::]:443"),
    ] {
        assert_eq!(binding(given).url(), shown, "{given}");
    }
}

#[test]
fn what_is_no_binding_is_refused_with_its_reason() {
    use BindingUrlError as E;
    assert!(matches!(Binding::parse_url("0.0.0.0:80"), Err(E::Scheme(_))));
    assert!(matches!(Binding::parse_url("ftp://0.0.0.0:80"), Err(E::Scheme(_))));
    assert!(matches!(Binding::parse_url("http://0.0.0.0:80/octopus"), Err(E::Path(_))));
    assert!(matches!(Binding::parse_url("http://localhost:80"), Err(E::Name(_))));
    assert!(matches!(Binding::parse_url("https://+:443"), Err(E::Name(_))));
    assert!(matches!(Binding::parse_url("https://[::1:443"), Err(E::Address(_))));
    assert!(matches!(Binding::parse_url("https://1.2.3.4:99999"), Err(E::Address(_))));
    assert!(matches!(Binding::parse_url("https://[::1:0"), Err(E::Address(_))));
    assert!(Binding::parse_url("https://1.2.3.4:80:0").is_err());
}

#[test]
fn bindings_overlap_when_one_takes_what_the_other_wants() {
    for (one, other, expected) in [
        ("http://0.0.0.0:80", "https://127.0.0.1:80", true),
        ("http://[::]:80", "http://10.0.0.1:80", true),
        ("http://0.0.0.0:80", "http://[::1]:80", false),
        ("http://127.0.0.1:80", "http://127.0.0.2:80", false),
        ("http://127.0.0.1:80", "https://[::ffff:127.0.0.1]:80", true),
        ("http://[::]:80", "http://[::]:81", false),
        ("http://[::]:0", "http://[::]:0", false),
    ] {
        assert_eq!(binding(one).overlaps(&binding(other)), expected, "{one} {other}");
        assert_eq!(binding(other).overlaps(&binding(one)), expected, "{other} {one}");
    }
}

fn with(url: &str, to: &[&str]) -> Binding {
    Binding { to: to.iter().map(|text| Passage::parse(text).unwrap()).collect(), ..binding(url) }
}

#[test]
fn what_a_binding_has_fits_together() {
    use BindingError as E;
    let (polling, rest) = ("polling.test=127.0.0.1:10943", "*=127.0.0.1:22");
    for (binding, expected) in [
        (with("http://[::]", &[]), Ok(())),
        (with("https://[::]", &[polling]), Ok(())),
        (with("tls-passthrough://[::]", &[polling, rest]), Ok(())),
        (with("http://[::]", &[polling]), Err(E::PassageWithoutTls)),
        (with("https://[::]", &[polling, rest]), Err(E::PassageForAll)),
        (with("tls-passthrough://[::]", &[]), Err(E::NoPassage)),
        (
            with("https://[::]", &[polling, "Polling.test=127.0.0.1:1"]),
            Err(E::PassageTwice(HostPattern::parse("polling.test").unwrap())),
        ),
        (
            Binding {
                default_certificate: Some(CertificateId::parse("c").unwrap()),
                ..with("tls-passthrough://[::]", &[rest])
            },
            Err(E::CertificateWithoutHttps(BindingProtocol::TlsPassthrough)),
        ),
    ] {
        assert_eq!(binding.check(), expected, "{binding:?}");
    }
}

#[test]
fn a_passage_takes_no_name_that_a_site_has() {
    let names = |names: &[&str]| names.iter().map(|name| HostPattern::parse(name).unwrap()).collect::<Vec<_>>();
    for (url, to, of_site, expected) in [
        ("https://[::]", "shop.test=a:1", vec!["shop.test"], true),
        ("https://[::]", "*.shop.test=a:1", vec!["other.test", "a.shop.test"], true),
        ("https://[::]", "*.shop.test=a:1", vec!["*.shop.test"], true),
        // Exceptions to what the site has.
        ("https://[::]", "polling.shop.test=a:1", vec!["*.shop.test", "*"], false),
        // Sites are not served there.
        ("tls-passthrough://[::]", "shop.test=a:1", vec!["shop.test"], false),
    ] {
        assert_eq!(with(url, &[to]).takes_from(&names(&of_site)).is_some(), expected, "{url} {to} {of_site:?}");
    }
}
