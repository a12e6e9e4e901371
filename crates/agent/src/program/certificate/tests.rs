#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use portward_core::{DialAddress, Timestamp};

use super::*;

fn held(name: &str) -> HeldIdentity {
    HeldIdentity { identity: Identity::new(name, Timestamp::EPOCH).unwrap(), since: Timestamp::EPOCH }
}

fn thumbprint(held: &Option<HeldIdentity>) -> Option<Thumbprint> {
    held.as_ref().map(|held| held.identity.thumbprint())
}

fn pin(name: &str) -> Thumbprint {
    Thumbprint::of(name.as_bytes())
}

/// Two servers are trusted; one of them has taken the next identity.
fn half_followed() -> Draft {
    let mut draft = Draft { identity: Some(held("now")), next: Some(held("next")), ..Draft::default() };
    draft.configuration.trust(pin("follows"), Timestamp::EPOCH);
    draft.configuration.trust(pin("lags"), Timestamp::EPOCH);
    draft.configuration.trusted[0].knows = thumbprint(&draft.next);
    draft.configuration.trusted[1].addresses = vec![DialAddress::parse("lags.test:443", None).unwrap()];
    draft
}

/// The key was thrown away, and the server that had followed refused the agent from the next day on.
#[test]
fn an_identity_that_a_server_knows_already_is_not_given_up() {
    let (another, the_same) = (|_: &Draft| held("another"), |draft: &Draft| draft.identity.clone().unwrap());
    for new in [another as fn(&Draft) -> HeldIdentity, the_same] {
        let mut draft = half_followed();
        let new = new(&draft);
        let next = thumbprint(&draft.next);
        let Err(refused) = place(&mut draft, new, false) else { panic!("it was given up") };
        let said = refused.to_string();
        assert_eq!((refused.exit, thumbprint(&draft.next)), (Exit::Conflict, next), "{said}");
        assert!(said.contains(&format!("the server {} knows", pin("follows"))), "{said}");
        assert!(said.contains(&format!("the server at lags.test:443 ({}) does not", pin("lags"))), "{said}");
        assert!(said.contains(&format!("portward-agent configure --remove-trust={}.", pin("lags"))), "{said}");
    }
}

#[test]
fn what_nobody_knows_yet_or_is_to_be_now_is_replaced() {
    let mut draft = half_followed();
    draft.configuration.trusted[0].knows = None;
    let new = held("another");
    let is = new.identity.thumbprint();
    assert!(matches!(place(&mut draft, new, false), Ok(Placed::Offered(_))));
    assert_eq!(thumbprint(&draft.next), Some(is));

    let mut draft = half_followed();
    assert!(matches!(place(&mut draft, held("another"), true), Ok(Placed::Unknown)));
    assert!(draft.next.is_none());

    // The same once more changes nothing.
    let mut draft = half_followed();
    let next = draft.next.clone().unwrap();
    assert!(matches!(place(&mut draft, next, false), Ok(Placed::Offered(_))));
}
