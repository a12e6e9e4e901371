//! Whether CAA records allow a CA to sign (RFC 8659, RFC 8657).

use super::ChallengeKind;

/// Is one CAA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaRecord {
    /// The flags.
    pub flags: u8,
    /// The property, as in `issue`.
    pub tag: String,
    /// Its value, as in `letsencrypt.org; validationmethods=dns-01`.
    pub value: String,
}

/// Is the relevant set of records: that of the closest name at or above the one asked for (RFC 8659 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaaSet {
    /// Where it was found; empty if it was nowhere.
    pub found_at: String,
    /// The records; empty if there are none.
    pub records: Vec<CaaRecord>,
}

/// Says whether CAA records allow a CA to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaaVerdict {
    /// They do.
    Allowed,
    /// They do not, and why.
    Forbidden(String),
    /// It depends on what is not known, and on what.
    Unknown(String),
}

/// Says whether the relevant records allow a CA with these identities to sign.
///
/// Wildcards go by `issuewild` where there is one, else by `issue`; other names by `issue` alone. A record that names the
/// CA may ask for an account and for challenges, and then does not count for others (RFC 8657 sections 3 and 4). A property
/// that is critical and that no CA need know forbids everything.
pub fn caa_allows(
    records: &[CaaRecord],
    identities: &[String],
    is_wildcard: bool,
    challenge: ChallengeKind,
    account_url: Option<&str>,
) -> CaaVerdict {
    // Bit 0 is 128; many wrote 1 instead, which Boulder takes for the same.
    let critical = records.iter().find(|record| record.flags & (128 | 1) != 0 && !is_known(&record.tag));
    if let Some(unknown) = critical {
        return CaaVerdict::Forbidden(format!("`{}` is critical, and CAs do not know it", unknown.tag));
    }
    let of = |tag: &str| records.iter().filter(|record| record.tag.eq_ignore_ascii_case(tag)).collect::<Vec<_>>();
    let (wild, plain) = (of("issuewild"), of("issue"));
    let (tag, counting) = if is_wildcard && !wild.is_empty() { ("issuewild", wild) } else { ("issue", plain) };
    if counting.is_empty() {
        return CaaVerdict::Allowed;
    }
    let mut named: Vec<String> = Vec::new();
    let mut verdict = None;
    for record in counting {
        let Some(property) = Property::parse(&record.value) else { continue };
        if property.issuer.is_empty() {
            continue;
        }
        if !identities.iter().any(|identity| identity.trim_end_matches('.').eq_ignore_ascii_case(property.issuer)) {
            named.push(property.issuer.to_owned());
            continue;
        }
        match property.allows(challenge, account_url) {
            CaaVerdict::Allowed => return CaaVerdict::Allowed,
            // What may allow it counts for more than what does not.
            unknown @ CaaVerdict::Unknown(_) => verdict = Some(unknown),
            forbidden @ CaaVerdict::Forbidden(_) => verdict = verdict.or(Some(forbidden)),
        }
    }
    verdict.unwrap_or_else(|| match (identities, named.as_slice()) {
        (_, []) => CaaVerdict::Forbidden(format!("`{tag}` allows nobody")),
        ([], _) => CaaVerdict::Unknown("the CA does not say what it calls itself".to_owned()),
        _ => CaaVerdict::Forbidden(format!("`{tag}` allows only {}", named.join(" and "))),
    })
}

/// Is the value of `issue` or `issuewild` (RFC 8659 section 4.2).
struct Property<'a> {
    /// Empty for nobody.
    issuer: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Property<'a> {
    /// None for what is malformed, which names nobody (RFC 8659 section 4.2).
    fn parse(value: &'a str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let issuer = parts.next().unwrap_or_default().trim_end_matches('.');
        if issuer.contains(char::is_whitespace) {
            return None;
        }
        let parameters = parts
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').map(|(tag, value)| (tag.trim(), value.trim())));
        Some(Self { issuer, parameters: parameters.collect::<Option<_>>()? })
    }

    fn allows(&self, challenge: ChallengeKind, account_url: Option<&str>) -> CaaVerdict {
        let of = |tag: &str| -> Vec<&str> {
            let wanted = self.parameters.iter().filter(|(given, _)| given.eq_ignore_ascii_case(tag));
            wanted.map(|(_, value)| *value).collect()
        };
        match of("validationmethods").as_slice() {
            [] => {}
            [methods] if methods.split(',').any(|method| method.trim() == challenge.as_str()) => {}
            [methods] => {
                return CaaVerdict::Forbidden(format!("`validationmethods={methods}` does not have {challenge}"));
            }
            _ => {
                return CaaVerdict::Forbidden(
                    "`validationmethods` stands there twice, which allows nothing".to_owned(),
                );
            }
        }
        match (of("accounturi").as_slice(), account_url) {
            ([], _) => CaaVerdict::Allowed,
            ([wanted], Some(account)) if *wanted == account => CaaVerdict::Allowed,
            ([wanted], Some(account)) => {
                CaaVerdict::Forbidden(format!("`accounturi={wanted}` is another account than ours, {account}"))
            }
            ([wanted], None) => {
                CaaVerdict::Unknown(format!("they allow the account {wanted} alone, and there is no account here yet"))
            }
            _ => CaaVerdict::Forbidden("`accounturi` stands there twice, which allows nothing".to_owned()),
        }
    }
}

fn is_known(tag: &str) -> bool {
    ["issue", "issuewild", "iodef"].iter().any(|known| tag.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const CA: &str = "letsencrypt.org";
    const ACCOUNT: &str = "https://acme.test/acct/7";

    fn records(texts: &[&str]) -> Vec<CaaRecord> {
        let record = |text: &&str| {
            let (flags, rest) = text.split_once(' ').unwrap();
            let (tag, value) = rest.split_once(' ').unwrap();
            CaaRecord { flags: flags.parse().unwrap(), tag: tag.to_owned(), value: value.to_owned() }
        };
        texts.iter().map(record).collect()
    }

    fn verdict(texts: &[&str], is_wildcard: bool, account: Option<&str>) -> CaaVerdict {
        caa_allows(&records(texts), &[CA.to_owned()], is_wildcard, ChallengeKind::Http01, account)
    }

    #[test]
    fn names_go_by_issue_and_wildcards_by_issuewild() {
        for (texts, name, wildcard) in [
            (&[][..], true, true),
            (&["0 issue letsencrypt.org"], true, true),
            (&["0 ISSUE LetsEncrypt.org."], true, true),
            (&["0 issue ca.test"], false, false),
            (&["0 issue ca.test", "0 issue letsencrypt.org"], true, true),
            (&["0 issue ;"], false, false),
            (&["0 issue "], false, false),
            (&["0 issuewild ;"], true, false),
            (&["0 issuewild letsencrypt.org"], true, true),
            (&["0 issue letsencrypt.org", "0 issuewild ;"], true, false),
            (&["0 issue ca.test", "0 issuewild letsencrypt.org"], false, true),
            (&["0 iodef mailto:a@b.test"], true, true),
            (&["128 iodef mailto:a@b.test"], true, true),
            (&["0 tbs unknown"], true, true),
            (&["128 tbs unknown"], false, false),
            (&["1 tbs unknown", "0 issue letsencrypt.org"], false, false),
            (&["128 issue letsencrypt.org"], true, true),
            (&["0 issue letsencrypt.org evil"], false, false),
            (&["0 issue letsencrypt.org; broken"], false, false),
            (&["0 issue letsencrypt.org; policy=ev"], true, true),
        ] {
            assert_eq!(verdict(texts, false, None) == CaaVerdict::Allowed, name, "{texts:?}");
            assert_eq!(verdict(texts, true, None) == CaaVerdict::Allowed, wildcard, "{texts:?} for a wildcard");
        }
    }

    #[test]
    fn a_record_may_ask_for_a_challenge_and_an_account() {
        let other = "https://acme.test/acct/8";
        for (value, account, expected) in [
            ("letsencrypt.org; validationmethods=http-01", None, "allowed"),
            ("letsencrypt.org;validationmethods = dns-01, http-01 ;", None, "allowed"),
            ("letsencrypt.org; ValidationMethods=dns-01", None, "forbidden"),
            ("letsencrypt.org; validationmethods=", None, "forbidden"),
            ("letsencrypt.org; validationmethods=http-01; validationmethods=http-01", None, "forbidden"),
            ("letsencrypt.org; accounturi=https://acme.test/acct/7", Some(ACCOUNT), "allowed"),
            ("letsencrypt.org; accounturi=https://acme.test/acct/7", Some(other), "forbidden"),
            ("letsencrypt.org; accounturi=https://acme.test/acct/7", None, "unknown"),
            ("letsencrypt.org; accounturi=https://acme.test/acct/7; accounturi=x", Some(ACCOUNT), "forbidden"),
            (
                "letsencrypt.org; validationmethods=dns-01; accounturi=https://acme.test/acct/7",
                Some(ACCOUNT),
                "forbidden",
            ),
        ] {
            let told = match verdict(&[&format!("0 issue {value}")], false, account) {
                CaaVerdict::Allowed => "allowed",
                CaaVerdict::Forbidden(_) => "forbidden",
                CaaVerdict::Unknown(_) => "unknown",
            };
            assert_eq!(told, expected, "{value} for {account:?}");
        }
    }

    #[test]
    fn one_record_that_allows_it_is_enough() {
        let texts = ["0 issue letsencrypt.org; validationmethods=dns-01", "0 issue letsencrypt.org; accounturi=x"];
        assert!(matches!(verdict(&texts, false, None), CaaVerdict::Unknown(_)));
        let texts = [texts[0], texts[1], "0 issue letsencrypt.org"];
        assert_eq!(verdict(&texts, false, None), CaaVerdict::Allowed);
    }

    #[test]
    fn a_refusal_says_why() {
        for (texts, expected) in [
            (&["0 issue ca.test", "0 issue other.test"][..], "`issue` allows only ca.test and other.test"),
            (&["0 issue ;"], "`issue` allows nobody"),
            (&["128 tbs x"], "`tbs` is critical, and CAs do not know it"),
            (
                &["0 issue letsencrypt.org; validationmethods=dns-01"],
                "`validationmethods=dns-01` does not have http-01",
            ),
        ] {
            assert_eq!(verdict(texts, false, None), CaaVerdict::Forbidden(expected.to_owned()));
        }
    }

    #[test]
    fn a_ca_that_does_not_name_itself_cannot_be_judged() {
        let of = |texts: &[&str]| caa_allows(&records(texts), &[], false, ChallengeKind::Dns01, None);
        assert_eq!(of(&[]), CaaVerdict::Allowed);
        assert!(matches!(of(&["0 issue ca.test"]), CaaVerdict::Unknown(_)));
        assert!(matches!(of(&["0 issue ;"]), CaaVerdict::Forbidden(_)));
    }
}
