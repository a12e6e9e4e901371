//! Why a lookup failed, in plain words.

use std::{net::SocketAddr, time::Duration};

use hickory_proto::{
    op::ResponseCode,
    rr::rdata::opt::{EdnsCode, EdnsOption},
};

use super::{Answer, Silence};

/// Says what could not be looked up, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("looking up {records} of {name} failed: {why}")]
pub struct LookupError {
    /// The name that was asked for.
    pub name: String,
    /// What of it, as in `CAA records`.
    pub records: &'static str,
    /// What happened.
    pub why: LookupFailure,
}

/// Says why a lookup failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// `NXDOMAIN`.
    #[error("there is no such name in DNS (NXDOMAIN)")]
    NoSuchName,
    /// The name is there, the record is not.
    #[error("the name is in DNS, but has none")]
    NoData,
    /// `SERVFAIL`.
    #[error(
        "{server} could not find out (SERVFAIL){explanation}; the zone's servers do not answer it, or its DNSSEC is broken"
    )]
    ServFail {
        /// Who said so.
        server: String,
        /// What it said about it (RFC 8914), in brackets; may be empty.
        explanation: String,
    },
    /// Another error code.
    #[error("{server} refuses to answer ({code})")]
    Refused {
        /// Who said so.
        server: String,
        /// The code of RFC 1035 section 4.1.1.
        code: String,
    },
    /// No answer came.
    #[error("{server} did not answer within {} seconds", within.as_secs_f32())]
    TimedOut {
        /// Who was asked.
        server: String,
        /// How long was waited.
        within: Duration,
    },
    /// No question could be sent.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Who was to be asked.
        server: String,
        /// What the system says.
        why: String,
    },
    /// CNAME records lead back to where they began.
    #[error("its CNAME records go in a circle: {0}")]
    Circle(String),
    /// CNAME records lead on and on.
    #[error("it has more than {limit} CNAME records one after another: {path}")]
    TooManyAliases {
        /// How many are followed.
        limit: usize,
        /// The names, from the first to the last that was looked at.
        path: String,
    },
    /// The name cannot be asked for.
    #[error("it is no DNS name: {0}")]
    NotAName(String),
    /// Nobody can be asked.
    #[error("there is no resolver to ask: {0}")]
    NoResolver(String),
    /// No name above has a SOA record.
    #[error("no zone was found for it, up to the top of DNS")]
    NoZone,
    /// The zone has no servers that could be asked.
    #[error("its zone {apex} names no servers that have an address")]
    NoServers {
        /// The zone.
        apex: String,
    },
}

impl LookupFailure {
    /// What is wrong with an answer; none if it is an answer to the question.
    pub(super) fn of_answer(server: SocketAddr, answer: &Answer) -> Option<Self> {
        let server = server.to_string();
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => None,
            ResponseCode::ServFail => Some(Self::ServFail {
                server,
                explanation: explanation(answer).map(|text| format!(" ({text})")).unwrap_or_default(),
            }),
            code => Some(Self::Refused { server, code: code.to_string() }),
        }
    }

    pub(super) fn of_silence(server: SocketAddr, silence: Silence) -> Self {
        let server = server.to_string();
        match silence {
            Silence::TimedOut(within) => Self::TimedOut { server, within },
            Silence::NoRoute(why) | Silence::Failed(why) => Self::Unreachable { server, why },
        }
    }
}

/// What a server adds to an error (RFC 8914): the meaning of its code, and its own words.
pub(super) fn explanation(answer: &Answer) -> Option<String> {
    let option = answer.edns.as_ref()?.option(EdnsCode::Unknown(EXTENDED_ERROR))?;
    let EdnsOption::Unknown(_, content) = option else { return None };
    let (code, words) = content.split_first_chunk::<2>()?;
    let code = u16::from_be_bytes(*code);
    let meaning = MEANINGS.iter().find(|(known, _)| *known == code).map(|(_, meaning)| (*meaning).to_owned());
    let meaning = meaning.unwrap_or_else(|| format!("extended error {code}"));
    let words: String = String::from_utf8_lossy(words).chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    Some(if words.is_empty() { meaning } else { format!("{meaning}: {words}") })
}

/// RFC 8914 section 6.1, assigned by IANA.
const EXTENDED_ERROR: u16 = 15;
/// RFC 8914 section 4, as far as resolvers say it about zones.
const MEANINGS: &[(u16, &str)] = &[
    (1, "unsupported DNSKEY algorithm"),
    (2, "unsupported DS digest"),
    (5, "DNSSEC indeterminate"),
    (6, "DNSSEC bogus"),
    (7, "DNSSEC signature expired"),
    (8, "DNSSEC signature not yet valid"),
    (9, "DNSKEY missing"),
    (10, "RRSIGs missing"),
    (11, "no zone key bit set"),
    (12, "NSEC missing"),
    (15, "blocked"),
    (16, "censored"),
    (17, "filtered"),
    (18, "prohibited"),
    (20, "not authoritative"),
    (22, "no reachable authority"),
    (23, "network error"),
];
/// Enough for a sentence.
const MAX_WORDS: usize = 200;
