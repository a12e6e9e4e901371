//! What a CA met when it connected.

use super::{ChallengeKind, Check, Finding, Look, REACHING, Verdict, capital, detail, sentence};

impl Look<'_> {
    /// It was sent elsewhere, got another answer, or none.
    pub(super) fn connection(&self) -> Option<Finding> {
        let somebody_else = self.redirects().or_else(|| self.answers());
        let somebody_else = somebody_else.map(|finding| self.has_port(finding));
        somebody_else.or_else(|| self.no_answer()).or_else(|| self.dns())
    }

    /// Whoever answered has the port on this machine, if Portward could not listen there.
    fn has_port(&self, finding: Finding) -> Finding {
        let is_taken = self.failure.warnings(&[Check::Binding]).any(|seen| seen.message.contains("taken"));
        if !is_taken {
            return finding;
        }
        let port = self.port;
        let remedy = format!(
            "Another program on this machine has port {port} (`ss -ltnp 'sport = :{port}'` says which). Stop it or give it \
             another port: Portward then takes the port for the time of a challenge, or for good with `portward binding add \
             http://[::]:{port}`. Then {}.{}",
            self.failure.renew(),
            self.or_dns()
        );
        Finding { remedy, ..finding }.with(&[Check::Binding])
    }

    fn redirects(&self) -> Option<Finding> {
        let name = self.name;
        let finding = |cause: String| {
            Finding::new(
                "challenge-redirected",
                cause,
                format!(
                    "Let /.well-known/acme-challenge/ on port {} reach Portward without a redirect: switch off forced HTTPS for \
                     that path at whatever stands in front, such as a CDN, a router or another web server. See it with \
                     `curl -v http://{name}/.well-known/acme-challenge/x`.{}",
                    self.port,
                    self.or_dns()
                ),
            )
            .with(&[Check::Redirect, Check::Port])
        };
        if self.has(&["redirect loop", "too many redirects"]) {
            return Some(finding(format!(
                "{} sends the challenge for {name} round in circles.",
                capital(&self.server())
            )));
        }
        if self.has(&["redirect target", "invalid redirect", "redirect to"]) {
            let said = sentence(self.detail);
            return Some(finding(format!(
                "The challenge for {name} is redirected to where the CA does not follow: {said}"
            )));
        }
        let url = detail::url(self.detail, &["http://", "https://"])?;
        let host = detail::host(url)?;
        let same = host == name.to_string();
        let refused = matches!(detail::status(self.detail), Some(401 | 403));
        if same && (!url.starts_with("https://") || refused) {
            return None;
        }
        let saw = detail::status(self.detail).map_or_else(
            || "no answer to the challenge was got there".to_owned(),
            |status| format!("the answer there was {status}"),
        );
        let to = if same { format!("https://{host}") } else { format!("another host, {host}") };
        Some(finding(format!("The challenge for {name} is redirected to {to}, and {saw}.")))
    }

    /// Something answered, but not with the answer to the challenge.
    fn answers(&self) -> Option<Finding> {
        let (name, server) = (self.name, self.server());
        let status =
            if self.has(&["invalid response from", "status code"]) { detail::status(self.detail) } else { None };
        if self.secondary && (matches!(status, Some(401 | 403 | 429 | 503))) {
            return Some(self.blocked(&format!("answered {} there", status.unwrap_or(403))));
        }
        if matches!(status, Some(401 | 403)) {
            let status = status.unwrap_or(403);
            return Some(
                Finding::new(
                    "challenge-forbidden",
                    format!("{} answered {status} to the challenge for {name}: something forbids the CA to see it.", capital(&server)),
                    format!(
                        "Open /.well-known/acme-challenge/ to everybody at whatever answers there: an access list, a password, a bot \
                         or country filter of a CDN, a web application firewall. Then {}.{}",
                        self.check(),
                        self.or_dns()
                    ),
                )
                .with(&[Check::Port]),
            );
        }
        let saw = match status {
            Some(status) => format!("answered {status}"),
            None if self.has(&["incorrect validation certificate", "no certs presented", "acmevalidation"]) => {
                "showed another certificate than the one for the challenge".to_owned()
            }
            None if self.has(&["key authorization file", "did not match", "incorrectresponse"]) => {
                "answered with something else, as another ACME client or a page for unknown paths does".to_owned()
            }
            None if self.has(&["invalid response from"]) => "answered with a page of its own".to_owned(),
            None if self.has(&["alpn", "no application protocol", "no_application_protocol"]) => {
                "does not know the protocol acme-tls/1, so that TLS ends before it gets to Portward".to_owned()
            }
            None if self.has(&[
                "speaking http/2 over http",
                "malformed http",
                "only speaks http, not tls",
                "first record does not look like",
            ]) =>
            {
                "speaks another protocol on that port".to_owned()
            }
            None if self.has(&["remote error: tls", "tls: ", "handshake"]) || self.kind_is_tls_and("tls alert") => {
                "broke off the TLS handshake".to_owned()
            }
            None => return None,
        };
        if self.is_ipv6() {
            return Some(self.ipv6(&format!("somebody else {saw}")));
        }
        let from = if self.secondary { " from some places in the world" } else { "" };
        let own = if self.failure.was(Check::Binding, Verdict::Warning) {
            "Portward does not listen on that port."
        } else if self.failure.was(Check::Port, Verdict::Good) {
            "Portward itself saw the right answer there before, so that several servers share the name or the address."
        } else {
            "Portward would have given the answer, so that it was somebody else."
        };
        Some(
            Finding::new(
                "challenge-answered-by-another-server",
                format!(
                    "{} {saw}, when the CA looked for the answer to the {} challenge for {name}{from}. {own}",
                    capital(&server),
                    self.kind
                ),
                format!(
                    "See that {name} leads to this machine (`dig A {name}`), and that port {} of that address is forwarded to \
                     Portward and not to another web server, router page or CDN. Portwards behind one name must be one cluster. \
                     Then {}.{}",
                    self.port,
                    self.check(),
                    self.or_dns()
                ),
            )
            .with(REACHING),
        )
    }

    fn kind_is_tls_and(&self, word: &str) -> bool {
        self.kind == ChallengeKind::TlsAlpn01 && self.has(&[word])
    }

    /// Nothing answered.
    fn no_answer(&self) -> Option<Finding> {
        let port = self.port;
        let (code, saw, remedy) = if self.has(&["connection refused", "econnrefused"]) {
            (
                "challenge-refused",
                format!("refuses connections to port {port}: nobody listens there"),
                format!(
                    "Let Portward listen with `portward binding add {}://[::]:{port}`, and forward port {port} of the router to it.",
                    if self.kind == ChallengeKind::TlsAlpn01 { "https" } else { "http" }
                ),
            )
        } else if self.has(&[
            "timeout after connect",
            "timeout during read",
            "timeout during write",
            "timeout awaiting",
        ]) {
            (
                "challenge-unanswered",
                format!("takes connections to port {port}, but does not answer"),
                "Look for a firewall that inspects requests, a proxy in front that waits for somebody, or a machine that is \
                 overloaded."
                    .to_owned(),
            )
        } else if self.has(&["connection reset", "econnreset", "eof"]) {
            (
                "challenge-unreachable",
                format!("breaks connections to port {port} off"),
                format!("Look for a firewall or an intrusion filter that does this, and let port {port} through."),
            )
        } else if self.has(&[
            "timeout during connect",
            "firewall",
            "i/o timeout",
            "timed out",
            "timeout",
            "unreachable",
            "no route",
        ]) && !self.has(&["dns"])
        {
            (
                "challenge-unreachable",
                format!("does not answer on port {port}: a firewall drops the connection, or nobody has the address"),
                format!(
                    "Let port {port} through, in the firewall of this machine, of the router and of the hosting provider, and \
                     forward it to Portward. See that the name leads to this machine's public address."
                ),
            )
        } else {
            return None;
        };
        let reached = self.failure.was(Check::Port, Verdict::Good);
        if self.secondary || (reached && code != "challenge-refused" && !self.is_ipv6()) {
            return Some(self.blocked(&saw));
        }
        if self.is_ipv6() {
            return Some(self.ipv6(&format!("it {saw}")));
        }
        let cause = format!(
            "{} {saw}. The CA could not fetch the answer to the {} challenge for {}.",
            capital(&self.server()),
            self.kind,
            self.name
        );
        Some(Finding::new(code, cause, format!("{remedy} Then {}.{}", self.check(), self.or_dns())).with(REACHING))
    }

    /// The CA is let in from one place and not from another.
    fn blocked(&self, saw: &str) -> Finding {
        let seen = if self.secondary {
            "is reached from some places in the world and not from others"
        } else {
            "is reached from here, but not by the CA"
        };
        Finding::new(
            "firewall-or-geo-block",
            format!(
                "{server} {seen}: it {saw}. CAs look from several countries and networks, and all of them must see the answer to \
                 the challenge for {name}.",
                server = capital(&self.server()),
                name = self.name
            ),
            format!(
                "Open port {} for everybody, at least for /.well-known/acme-challenge/: take out country blocks, block lists and \
                 bot filters in the firewall, the router and the CDN. CAs do not publish the addresses they look from.{}",
                self.port,
                self.or_dns()
            ),
        )
        .with(&[Check::Ipv6, Check::Addresses])
    }
}
