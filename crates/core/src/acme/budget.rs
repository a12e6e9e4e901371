//! How much may still be asked of a CA before it refuses.
//!
//! CAs count what is asked of them and refuse for hours or days once it is too much. The same is counted here, in the
//! store, and stops short of it: what is left is for the operator, who knows better than a loop.

use std::{fmt, time::Duration};

use super::renewal::HOUR;
use crate::{Host, HostPattern, Timestamp};

/// Remembers when something was done: orders of an account, failed validations of a name. Oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: Vec<Timestamp>,
}

/// Says how often something may be done in any span of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub kind: LimitKind,
    /// How often.
    pub count: u32,
    /// In which span.
    pub per: Duration,
}

/// Says what a [`Limit`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// Orders of an account.
    Orders,
    /// Certificates for exactly the same names.
    SameNames,
    /// Failed validations of one name.
    FailedValidations,
    /// Certificates for one registered domain.
    CertificatesPerDomain,
}

/// Holds the limits of one CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// On orders of an account.
    pub orders: Limit,
    /// On certificates for exactly the same names.
    pub same_names: Limit,
    /// On failed validations of one name.
    pub failed_validations: Limit,
    /// On certificates for one registered domain, by whatever account; so that the count here is a part of it.
    pub certificates_per_domain: Limit,
}

/// Says whether something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// It may, that many times.
    Free {
        /// How many times; at least once.
        left: u32,
    },
    /// It may not.
    Spent {
        /// When it may again.
        until: Timestamp,
        /// By which limit.
        limit: LimitKind,
    },
}

/// Says whether one more of what the ledger counts may be done.
///
/// An entry that lies further ahead of `now` than the limit's span was made by a wrong clock and does not count.
pub fn budget(ledger: &Ledger, limit: Limit, now: Timestamp) -> Budget {
    let (after, ahead) = (now.minus(limit.per), now.plus(limit.per));
    let counted: Vec<Timestamp> =
        ledger.entries.iter().copied().filter(|entry| *entry > after && *entry <= ahead).collect();
    let used = u32::try_from(counted.len()).unwrap_or(u32::MAX);
    if used < limit.count {
        return Budget::Free { left: limit.count - used };
    }
    // The latest `count` entries are what is too much; it is less once the first of them leaves the span.
    let surplus = usize::try_from(used - limit.count).unwrap_or(0);
    let until = counted.get(surplus).map_or(ahead, |entry| entry.plus(limit.per));
    Budget::Spent { until, limit: limit.kind }
}

/// Names the domain that a registrar sold, as limits are counted by: the last two labels, or three where the last two
/// are a suffix that many share. The address itself for an IP address.
///
/// It is an estimate by a short list, for advice and counting here alone; the CA goes by the Public Suffix List.
pub fn registered_domain(name: &HostPattern) -> String {
    let name = match name {
        HostPattern::Exact(Host::Name(name)) | HostPattern::Wildcard(name) => name.as_str(),
        HostPattern::Exact(Host::Ip(_)) | HostPattern::Any => return name.to_string(),
    };
    let labels: Vec<&str> = name.split('.').collect();
    let last = |count: usize| labels[labels.len().saturating_sub(count)..].join(".");
    if SHARED_SUFFIXES.contains(&last(2).as_str()) { last(3) } else { last(2) }
}

impl Ledger {
    /// Takes entries in any order.
    pub fn new(mut entries: Vec<Timestamp>) -> Self {
        entries.sort_unstable();
        Self { entries }
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Timestamp] {
        &self.entries
    }

    /// Adds an entry.
    pub fn record(&mut self, at: Timestamp) {
        let place = self.entries.partition_point(|entry| *entry <= at);
        self.entries.insert(place, at);
    }

    /// Removes what is no longer counted: entries older than `span`, and those further ahead than it.
    pub fn prune(&mut self, now: Timestamp, span: Duration) {
        let (after, ahead) = (now.minus(span), now.plus(span));
        self.entries.retain(|entry| *entry > after && *entry <= ahead);
    }

    /// Counts the entries after `at`.
    pub fn count_since(&self, at: Timestamp) -> usize {
        self.entries.len() - self.entries.partition_point(|entry| *entry <= at)
    }
}

impl Limits {
    /// Longest span of any limit; older entries of a ledger are of no use.
    pub const LONGEST: Duration = DAYS_7;

    /// What Let's Encrypt allows, less a margin: 300 orders in 3 hours, 5 certificates for the same names and 50 for a
    /// registered domain in 7 days, 5 failed validations an hour (as of 2026-08).
    pub const LETS_ENCRYPT: Self = Self::new(240, 3, 3, 40);

    /// What Let's Encrypt's staging environment allows, less a margin.
    pub const LETS_ENCRYPT_STAGING: Self = Self::new(1200, 1000, 100, 1000);

    /// For CAs whose limits are not known: what keeps a loop of ours from becoming their problem.
    pub const OTHERS: Self = Self::new(240, 50, 4, 1000);

    const fn new(orders: u32, same_names: u32, failed_validations: u32, per_domain: u32) -> Self {
        Self {
            orders: Limit { kind: LimitKind::Orders, count: orders, per: HOURS_3 },
            same_names: Limit { kind: LimitKind::SameNames, count: same_names, per: DAYS_7 },
            failed_validations: Limit { kind: LimitKind::FailedValidations, count: failed_validations, per: HOUR },
            certificates_per_domain: Limit { kind: LimitKind::CertificatesPerDomain, count: per_domain, per: DAYS_7 },
        }
    }

    /// The limits of the CA with that directory.
    pub fn of(directory: &str) -> Self {
        match directory {
            super::Issuer::LETS_ENCRYPT => Self::LETS_ENCRYPT,
            super::Issuer::LETS_ENCRYPT_STAGING => Self::LETS_ENCRYPT_STAGING,
            _ => Self::OTHERS,
        }
    }
}

impl LimitKind {
    /// The word of the API: `orders`, `same-names`, `failed-validations` or `certificates-per-domain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::SameNames => "same-names",
            Self::FailedValidations => "failed-validations",
            Self::CertificatesPerDomain => "certificates-per-domain",
        }
    }
}

/// For people, as in `too many orders of this account`.
impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Orders => "orders of this account",
            Self::SameNames => "certificates for exactly these names",
            Self::FailedValidations => "failed validations of this name",
            Self::CertificatesPerDomain => "certificates for this domain",
        })
    }
}

const HOURS_3: Duration = Duration::from_secs(3 * 3600);
const DAYS_7: Duration = Duration::from_secs(7 * 24 * 3600);

/// Suffixes of two labels that many registrants share: countries first, then names that dynamic DNS gives away.
const SHARED_SUFFIXES: &[&str] = &[
    "ac.jp",
    "ac.uk",
    "co.id",
    "co.il",
    "co.in",
    "co.jp",
    "co.kr",
    "co.nz",
    "co.th",
    "co.uk",
    "co.za",
    "com.ar",
    "com.au",
    "com.br",
    "com.cn",
    "com.co",
    "com.hk",
    "com.mx",
    "com.my",
    "com.ph",
    "com.pl",
    "com.sg",
    "com.tr",
    "com.tw",
    "com.ua",
    "com.vn",
    "edu.au",
    "gov.au",
    "gov.uk",
    "go.jp",
    "id.au",
    "me.uk",
    "ne.jp",
    "net.au",
    "net.br",
    "net.cn",
    "net.nz",
    "net.pl",
    "net.uk",
    "or.jp",
    "or.kr",
    "org.au",
    "org.br",
    "org.cn",
    "org.il",
    "org.in",
    "org.nz",
    "org.pl",
    "org.uk",
    "org.za",
    "ddns.net",
    "dedyn.io",
    "duckdns.org",
    "dynv6.net",
    "github.io",
    "hopto.org",
    "myfritz.net",
    "synology.me",
    "zapto.org",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + seconds).unwrap()
    }

    fn ledger(entries: &[i64]) -> Ledger {
        Ledger::new(entries.iter().map(|seconds| at(*seconds)).collect())
    }

    #[test]
    fn a_limit_counts_what_was_done_in_its_span() {
        let limit = Limit { kind: LimitKind::FailedValidations, count: 3, per: HOUR };
        let spent = |until| Budget::Spent { until: at(until), limit: LimitKind::FailedValidations };
        for (entries, now, expected) in [
            (&[][..], 0, Budget::Free { left: 3 }),
            (&[0], 0, Budget::Free { left: 2 }),
            (&[0, 10, 20], 30, spent(3600)),
            (&[20, 0, 10], 3599, spent(3600)),
            (&[0, 10, 20], 3600, Budget::Free { left: 1 }),
            (&[0, 10, 20], 9000, Budget::Free { left: 3 }),
            (&[0, 10, 20, 30, 40], 50, spent(3620)),
            (&[2, 3, 4], 0, spent(3602)),
            (&[90_000, 90_001, 90_002], 0, Budget::Free { left: 3 }),
        ] {
            assert_eq!(budget(&ledger(entries), limit, at(now)), expected, "{entries:?} at {now}");
        }
    }

    #[test]
    fn until_is_the_first_second_at_which_one_more_is_free() {
        let limit = Limits::LETS_ENCRYPT.same_names;
        let ledger = ledger(&[0, 86_400, 90_000]);
        let Budget::Spent { until, .. } = budget(&ledger, limit, at(100_000)) else { unreachable!() };
        assert!(matches!(budget(&ledger, limit, until.minus(Duration::from_secs(1))), Budget::Spent { .. }));
        assert_eq!(budget(&ledger, limit, until), Budget::Free { left: 1 });
    }

    #[test]
    fn a_limit_of_nothing_is_always_spent() {
        let limit = Limit { kind: LimitKind::Orders, count: 0, per: HOUR };
        assert_eq!(
            budget(&Ledger::default(), limit, at(0)),
            Budget::Spent { until: at(3600), limit: LimitKind::Orders }
        );
    }

    #[test]
    fn a_ledger_stays_in_order_and_forgets_what_is_old() {
        let mut given = Ledger::default();
        for seconds in [50, 10, 30, 10] {
            given.record(at(seconds));
        }
        assert_eq!(given, ledger(&[10, 10, 30, 50]));
        assert_eq!(given.count_since(at(10)), 2);
        assert_eq!(given.count_since(at(9)), 4);
        given.record(at(999_999));
        given.prune(at(3610), HOUR);
        assert_eq!(given, ledger(&[30, 50]));
    }

    #[test]
    fn our_limits_lie_below_those_of_lets_encrypt() {
        let Limits { orders, same_names, failed_validations, certificates_per_domain } =
            Limits::of(super::super::Issuer::LETS_ENCRYPT);
        for (ours, theirs, per) in [
            (orders, 300, HOURS_3),
            (same_names, 5, DAYS_7),
            (failed_validations, 5, HOUR),
            (certificates_per_domain, 50, DAYS_7),
        ] {
            assert!(ours.count < theirs && ours.count > theirs / 2, "{ours:?}");
            assert_eq!(ours.per, per, "{ours:?}");
            assert!(ours.per <= Limits::LONGEST);
        }
        assert_eq!(Limits::of("https://ca.test/dir"), Limits::OTHERS);
    }

    #[test]
    fn a_registered_domain_is_what_was_bought() {
        for (name, expected) in [
            ("shop.test", "shop.test"),
            ("www.shop.test", "shop.test"),
            ("*.a.b.shop.test", "shop.test"),
            ("www.shop.co.uk", "shop.co.uk"),
            ("co.uk", "co.uk"),
            ("me.duckdns.org", "me.duckdns.org"),
            ("a.me.duckdns.org", "me.duckdns.org"),
            ("localhost", "localhost"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(registered_domain(&HostPattern::parse(name).unwrap()), expected, "{name}");
        }
    }
}
