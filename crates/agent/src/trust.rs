//! What a server may change of what an agent knows of it.

use portward_core::{DialAddress, Thumbprint};
use portward_link::message::{Fault, Trust, TrustReply};
use portward_link::opening::TrustMark;

use crate::{Configuration, TrustedServer};

/// Takes what a server says of itself, in a session that it began with `session_pin`.
pub(crate) fn take(
    configuration: &mut Configuration,
    server: &str,
    session_pin: Thumbprint,
    trust: &Trust,
) -> Result<TrustReply, Fault> {
    let pins = read_all(&trust.pins, "pins", MOST_PINS, Thumbprint::parse)?;
    let addresses = read_all(&trust.addresses, "addresses", MOST_ADDRESSES, |text| DialAddress::parse(text, None))?;
    let Some(known) = configuration.by_id(server) else {
        return Err(Fault::new("not-trusted", "this server is not trusted any more"));
    };
    // Who is not dialled is not made to be: an agent that listens does not begin to dial because a server says so.
    let addresses = if known.addresses.is_empty() { Vec::new() } else { addresses };
    let reply = TrustReply { mark: trust.mark, session_pin: session_pin.to_string() };
    if trust.mark == known.mark && pins == known.pins && (addresses.is_empty() || addresses == known.addresses) {
        // It has been taken, and the answer was lost.
        return Ok(reply);
    }
    if trust.mark <= known.mark {
        return Err(old_mark(trust.mark, known.mark));
    }
    if !pins.contains(&session_pin) {
        return Err(cuts_branch(session_pin));
    }
    let belongs_to = |other: &&TrustedServer| other.id != server && other.pins.iter().any(|pin| pins.contains(pin));
    if let Some(other) = configuration.trusted.iter().filter(|other| has_spoken(other)).find(belongs_to) {
        return Err(Fault::new(
            "pin-of-another",
            format!(
                "one of the pins belongs to another server that this agent trusts ({}); nothing was changed",
                other.pins.first().map(ToString::to_string).unwrap_or_default()
            ),
        ));
    }
    // What an operator trusted by hand before the server announced it is this server's.
    configuration.trusted.retain(|other| !belongs_to(&other));
    if let Some(known) = configuration.trusted.iter_mut().find(|known| known.id == server) {
        known.pins = pins;
        known.mark = trust.mark;
        if !addresses.is_empty() {
            known.addresses = addresses;
        }
    }
    Ok(reply)
}

/// Whether a server has announced anything, or is one that is dialled: it is more than a pin.
fn has_spoken(server: &TrustedServer) -> bool {
    server.mark != TrustMark::default() || !server.addresses.is_empty()
}

fn read_all<T: PartialEq, E: std::fmt::Display>(
    texts: &[String],
    what: &str,
    most: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Fault> {
    if texts.len() > most {
        return Err(Fault::new("unreadable", format!("there are {} {what}; at most {most} are taken", texts.len())));
    }
    let mut read = Vec::with_capacity(texts.len());
    for text in texts {
        let one = parse(text).map_err(|error| Fault::new("unreadable", error.to_string()))?;
        if !read.contains(&one) {
            read.push(one);
        }
    }
    Ok(read)
}

fn old_mark(came: TrustMark, known: TrustMark) -> Fault {
    Fault::new(
        "old-mark",
        format!(
            "what this server says of its trust is older than what this agent has taken: generation {}, number {} came, and {}, {} is known",
            came.generation, came.seq, known.generation, known.seq
        ),
    )
}

fn cuts_branch(session_pin: Thumbprint) -> Fault {
    Fault::new(
        "cuts-branch",
        format!(
            "the pin that this very link was begun with ({session_pin}) is not among those that are to be trusted; take it away over a link that was begun with one of them"
        ),
    )
}

/// Current, next, old, and a few of a rotation within a rotation.
const MOST_PINS: usize = 16;
const MOST_ADDRESSES: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::Timestamp;

    use super::*;

    fn pin(name: &str) -> Thumbprint {
        Thumbprint::of(name.as_bytes())
    }

    fn trust(generation: u64, seq: u64, pins: &[&str], addresses: &[&str]) -> Trust {
        Trust {
            mark: TrustMark { generation, seq },
            pins: pins.iter().map(|name| pin(name).to_string()).collect(),
            addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn known() -> Configuration {
        let mut configuration = Configuration::default();
        configuration.trust(pin("old"), Timestamp::EPOCH);
        configuration.trusted[0].id = "one".to_owned();
        configuration.trusted[0].addresses = vec![DialAddress::parse("a.test:1", None).unwrap()];
        configuration
    }

    #[test]
    fn what_is_newer_and_keeps_the_branch_is_taken_whole() {
        let mut configuration = known();
        let said = trust(1, 1, &["new", "old", "new"], &["a.test:443"]);
        let reply = take(&mut configuration, "one", pin("old"), &said).unwrap();
        assert_eq!((reply.mark.seq, reply.session_pin), (1, pin("old").to_string()));
        assert_eq!(configuration.trusted[0].pins, [pin("new"), pin("old")]);
        assert_eq!(configuration.trusted[0].addresses[0].port, 443);
        // Said again it changes nothing, and without addresses they stay.
        take(&mut configuration, "one", pin("old"), &trust(1, 1, &["new", "old"], &[])).unwrap();
        take(&mut configuration, "one", pin("new"), &trust(2, 0, &["new"], &[])).unwrap();
        assert_eq!(configuration.trusted[0].pins, [pin("new")]);
        assert_eq!(configuration.trusted[0].addresses.len(), 1);
    }

    #[test]
    fn an_agent_that_is_dialled_does_not_begin_to_dial() {
        let mut configuration = known();
        configuration.trusted[0].addresses.clear();
        take(&mut configuration, "one", pin("old"), &trust(1, 1, &["old"], &["a.test:443"])).unwrap();
        assert!(configuration.trusted[0].addresses.is_empty());
        take(&mut configuration, "one", pin("old"), &trust(1, 1, &["old"], &["a.test:443"])).unwrap();
    }

    #[test]
    fn what_is_older_or_would_cut_the_branch_is_refused() {
        let mut configuration = known();
        take(&mut configuration, "one", pin("old"), &trust(2, 5, &["old"], &[])).unwrap();
        let before = configuration.clone();
        for (said, code) in [
            (trust(2, 5, &["new", "old"], &[]), "old-mark"),
            (trust(2, 4, &["old"], &[]), "old-mark"),
            (trust(1, 9, &["old"], &[]), "old-mark"),
            (trust(2, 6, &["new"], &[]), "cuts-branch"),
            (trust(2, 6, &[], &[]), "cuts-branch"),
            (trust(2, 6, &["old"], &["no port"]), "unreadable"),
        ] {
            let fault = take(&mut configuration, "one", pin("old"), &said).unwrap_err();
            assert_eq!(fault.code, code, "{said:?}");
            assert_eq!(configuration, before);
        }
        let mut sha1 = trust(2, 6, &["old"], &[]);
        sha1.pins.push("A".repeat(40));
        assert_eq!(take(&mut configuration, "one", pin("old"), &sha1).unwrap_err().code, "unreadable");
        let gone = take(&mut configuration, "other", pin("old"), &trust(3, 0, &["old"], &[]));
        assert_eq!(gone.unwrap_err().code, "not-trusted");
    }

    #[test]
    fn a_server_takes_over_what_was_trusted_by_hand_and_nothing_of_another_server() {
        let mut configuration = known();
        configuration.trust(pin("new"), Timestamp::EPOCH);
        take(&mut configuration, "one", pin("old"), &trust(1, 1, &["old", "new"], &[])).unwrap();
        assert_eq!(configuration.trusted.len(), 1);
        configuration.trust(pin("third"), Timestamp::EPOCH);
        configuration.trusted[1].mark = TrustMark { generation: 0, seq: 1 };
        let stolen = take(&mut configuration, "one", pin("old"), &trust(1, 2, &["old", "third"], &[]));
        assert_eq!(stolen.unwrap_err().code, "pin-of-another");
        assert_eq!(configuration.trusted.len(), 2);
    }
}
