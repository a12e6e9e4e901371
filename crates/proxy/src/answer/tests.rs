#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

const NOW: i64 = 1_795_185_127;

fn asked<'a>(host: Option<&'a str>, accept: Option<&'a str>) -> Asked<'a> {
    let now = Timestamp::from_unix(NOW).unwrap();
    Asked { request_id: "01jd4k7q2x8m", host, accept: accept.map(str::as_bytes), head: false, now }
}

fn h1(answer: impl Into<Answer>, asked: &Asked<'_>, keep_alive: KeepAlive) -> String {
    let mut out = b"before".to_vec();
    answer.into().write_h1(asked, keep_alive, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
}

const FAULTS: [Fault; 18] = [
    Fault::NoUpstream,
    Fault::Refused(Refusal::MissingHost),
    Fault::HttpOnHttps,
    Fault::NoSite,
    Fault::UnknownHost,
    Fault::ChallengesOnly,
    Fault::Misdirected,
    Fault::RequestTimeout,
    Fault::BodyTooLarge,
    Fault::UpstreamRefused,
    Fault::UpstreamUnreachable,
    Fault::UpstreamDns,
    Fault::UpstreamTls,
    Fault::UpstreamClosed,
    Fault::UpstreamBadResponse,
    Fault::UpstreamTimeout,
    Fault::Overloaded,
    Fault::TooManyRequests,
];

#[test]
fn programs_read_three_lines() {
    assert_eq!(
        h1(Fault::UpstreamRefused, &asked(Some("git.test"), Some("*/*")), KeepAlive::Keep),
        "HTTP/1.1 502 Bad Gateway\r\n\
        Date: Fri, 20 Nov 2026 14:32:07 GMT\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Length: 169\r\n\
        Cache-Control: no-store\r\n\
        X-Content-Type-Options: nosniff\r\n\
        X-Request-Id: 01jd4k7q2x8m\r\n\
        \r\n\
        502 upstream-refused\n\
        Nothing is wrong on your side. Your request arrived safely, but the application behind this address is down or restarting.\n\
        Request ID: 01jd4k7q2x8m\n"
    );
    assert_eq!(
        h1(Fault::Refused(Refusal::LengthAndEncoding), &asked(None, None), KeepAlive::Close),
        "HTTP/1.1 400 Bad Request\r\n\
        Date: Fri, 20 Nov 2026 14:32:07 GMT\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Length: 108\r\n\
        Cache-Control: no-store\r\n\
        X-Content-Type-Options: nosniff\r\n\
        X-Request-Id: 01jd4k7q2x8m\r\n\
        Connection: close\r\n\
        \r\n\
        400 length-and-encoding\n\
        The request has both Content-Length and Transfer-Encoding.\n\
        Request ID: 01jd4k7q2x8m\n"
    );
}

#[test]
fn browsers_get_a_page() {
    let browser = asked(Some("git.northmole.example"), Some("text/html,application/xhtml+xml,*/*;q=0.8"));
    let page = h1(Fault::UpstreamRefused, &browser, KeepAlive::Keep);
    let (head, page) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", page.len())), "{head}");
    assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-"), "{head}");
    for expected in [
        "<title>502 · git.northmole.example</title>",
        "<h1>git.northmole.example is not answering</h1>",
        "<p>Nothing is wrong on your side. Your request arrived safely, but the application behind this address is down or restarting.</p>",
        "<li class=\"off\">The application<b>does not answer</b></li>",
        "<dt>Request ID</dt><dd>01jd4k7q2x8m</dd>",
        "<dt>Time</dt><dd>20 Nov 2026, 14:32:07 UTC</dd>",
        "<dt>Error</dt><dd>502, upstream-refused</dd>",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
}

#[test]
fn who_runs_the_server_is_given_the_command_that_adds_a_site() {
    for (fault, command) in [
        (Fault::NoSite, "portward site add NAME --upstream http://127.0.0.1:3000"),
        (Fault::UnknownHost, "portward site add NAME --upstream URL"),
        (Fault::Misdirected, "portward site add NAME --upstream URL"),
    ] {
        let text = h1(fault, &asked(Some("git.test"), None), KeepAlive::Keep);
        assert!(text.contains(&format!(": {command}\nRequest ID: ")), "{text}");
        let page = h1(fault, &asked(Some("git.test"), Some("text/html")), KeepAlive::Keep);
        assert!(page.contains(&format!("<code>{command}</code></p>")), "{page}");
    }
}

#[test]
fn a_server_without_a_site_says_that_portward_runs() {
    assert_eq!(
        page::text(Fault::NoSite, &asked(Some("203.0.113.7"), None)),
        "404 no-site\n\
        Portward runs here and received your request. It has no site yet, so there is nothing to show.\n\
        Do you run this server? Put your application behind it: portward site add NAME --upstream http://127.0.0.1:3000\n\
        Request ID: 01jd4k7q2x8m\n"
    );
    let page = page::html(Fault::NoSite, &asked(Some("203.0.113.7"), Some("text/html")));
    assert!(page.contains("<h1>Portward runs here</h1>"), "{page}");
}

#[test]
fn the_policy_allows_the_style_of_the_page_and_no_other() {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, page::STYLE.as_bytes());
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<u8> = digest.as_ref().iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let mut base64: String = bits
        .chunks(6)
        .map(|six| alphabet[(0..6).fold(0, |sum, at| sum << 1 | usize::from(*six.get(at).unwrap_or(&0)))])
        .collect();
    base64.push('=');
    assert!(page::POLICY.contains(&format!("style-src 'sha256-{base64}';")), "the hash of error.css is {base64}");
}

#[test]
fn what_the_client_sent_is_never_markup() {
    let page = h1(Fault::UnknownHost, &asked(Some("<script>'\"&x"), Some("text/html")), KeepAlive::Keep);
    assert!(page.contains("<h1>Nothing is served at &lt;script&gt;&#39;&quot;&amp;x</h1>"), "{page}");
    assert!(!page.contains("<script"), "{page}");
}

#[test]
fn only_an_accept_that_names_html_gets_it() {
    for (accept, expected) in [
        (None, false),
        (Some("*/*"), false),
        (Some("application/json"), false),
        (Some("text/html"), true),
        (Some("TEXT/HTML;level=1"), true),
        (Some("application/json, text/html;q=0.1"), true),
        (Some("text/html;q=0"), false),
        (Some("text/html; q=0.000, */*"), false),
        (Some("text/htmlx"), false),
        (Some("text/*"), false),
    ] {
        assert_eq!(wants_html(accept.map(str::as_bytes)), expected, "{accept:?}");
    }
}

#[test]
fn a_redirect_keeps_the_method_and_is_not_remembered() {
    let redirect = Answer::Redirect { location: "https://shop.test:8443/a?b".to_owned() };
    assert_eq!(
        h1(redirect.clone(), &asked(Some("shop.test"), Some("text/html")), KeepAlive::Keep),
        "HTTP/1.1 308 Permanent Redirect\r\n\
        Date: Fri, 20 Nov 2026 14:32:07 GMT\r\n\
        Location: https://shop.test:8443/a?b\r\n\
        Content-Length: 0\r\n\
        Cache-Control: no-store\r\n\
        X-Content-Type-Options: nosniff\r\n\
        X-Request-Id: 01jd4k7q2x8m\r\n\r\n"
    );
    let (response, body) = redirect.to_h2(&asked(None, None));
    assert_eq!(response.status().as_u16(), 308);
    assert_eq!(response.headers()["location"], "https://shop.test:8443/a?b");
    assert!(body.is_empty());
    let split = Answer::Redirect { location: "https://shop.test/\r\nSet-Cookie: a=b".to_owned() };
    assert!(!h1(split, &asked(None, None), KeepAlive::Keep).contains("Set-Cookie"));
}

#[test]
fn a_challenge_is_answered_with_the_key_authorization_alone() {
    let answer = h1(Answer::Challenge("token.thumbprint".into()), &asked(None, Some("text/html")), KeepAlive::Keep);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ntoken.thumbprint"), "{answer}");
}

#[test]
fn head_is_told_the_length_and_gets_nothing() {
    for accept in [None, Some("text/html")] {
        let get = asked(Some("shop.test"), accept);
        let head = Asked { head: true, ..get };
        for fault in FAULTS {
            let (whole, alone) = (h1(fault, &get, KeepAlive::Keep), h1(fault, &head, KeepAlive::Keep));
            assert!(alone.ends_with("\r\n\r\n"), "{alone}");
            assert!(whole.starts_with(&alone), "{whole}");
            let (response, body) = Answer::from(fault).to_h2(&get);
            let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
            assert_eq!((whole.len() - alone.len(), body.len()), (length, length), "{fault:?}");
            let (response, body) = Answer::from(fault).to_h2(&head);
            assert_eq!(response.headers()["content-length"].to_str().unwrap(), length.to_string());
            assert!(body.is_empty());
        }
    }
}

#[test]
fn both_protocols_say_the_same() {
    for accept in [None, Some("text/html")] {
        for fault in FAULTS {
            let asked = asked(Some("shop.test"), accept);
            let written = h1(fault, &asked, KeepAlive::Keep);
            let (response, body) = Answer::from(fault).to_h2(&asked);
            assert_eq!(response.status().as_u16(), fault.status());
            let (head, text) = written.split_once("\r\n\r\n").unwrap();
            assert_eq!(text.as_bytes(), body);
            let lines: Vec<String> = head.split("\r\n").skip(1).map(str::to_owned).collect();
            assert_eq!(lines.len(), response.headers().len(), "{fault:?}");
            for line in lines {
                let (name, value) = line.split_once(": ").unwrap();
                assert_eq!(response.headers()[name], value, "{fault:?}");
            }
        }
    }
}

#[test]
fn each_fault_has_its_code_and_says_whose_it_is() {
    let mut codes: Vec<&str> = FAULTS.iter().map(|fault| fault.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), FAULTS.len());
    for fault in FAULTS {
        let expected = match fault.status() {
            502 | 504 => Whose::Upstream,
            503 if fault == Fault::NoUpstream => Whose::Upstream,
            503 | 404 => Whose::Ours,
            _ => Whose::Downstream,
        };
        assert_eq!(fault.whose(), expected, "{fault:?}");
        let text = h1(fault, &asked(Some("shop.test"), None), KeepAlive::Keep);
        let may_be_done = text.contains("look before you send it again");
        if fault.whose() == Whose::Upstream {
            assert_eq!(may_be_done, fault.retry() == Retry::Useless, "{fault:?}");
        }
    }
}

#[test]
fn dates_are_right_at_their_edges() {
    for (seconds, http, page) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT", "1 Jan 1970, 00:00:00 UTC"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT", "29 Feb 2000, 00:00:00 UTC"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT", "31 Dec 1969, 23:59:59 UTC"),
        (NOW, "Fri, 20 Nov 2026 14:32:07 GMT", "20 Nov 2026, 14:32:07 UTC"),
    ] {
        let time = Timestamp::from_unix(seconds).unwrap();
        assert_eq!((date::http(time).as_str(), date::page(time).as_str()), (http, page));
    }
}
