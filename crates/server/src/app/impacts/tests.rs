#![allow(clippy::unwrap_used, reason = "tests")]
use portward_api::SiteUpdate;
use portward_core::ConfirmWithin;

use super::*;
use crate::{
    app::{Apply, Precondition, Within},
    fixture::{Fixture, binding, bundle, by, import, portal},
};

/// A portal at one https binding with one certificate.
async fn front() -> Fixture {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    fixture
}

fn what(impacts: &[Impact], severity: ImpactSeverity) -> Vec<&str> {
    let those = impacts.iter().filter(|impact| impact.severity == severity);
    those.map(|impact| impact.what.as_str()).collect()
}

fn forced() -> Apply {
    Apply::Within(Within { confirm: ConfirmWithin::USUAL, is_forced: true })
}

#[tokio::test]
async fn a_dry_run_says_what_would_break_and_what_stays() {
    let fixture = front().await;
    let input = SiteUpdate { force_https: Some("browsers".to_owned()), ..SiteUpdate::default() };
    fixture.app.edit_site(&by(), "front-test", &input, Precondition::None, Apply::Now).await.unwrap();
    let dry = fixture.app.remove_certificate(&by(), "front-test", Precondition::None, Apply::DryRun).await.unwrap();
    assert_eq!(
        what(&dry.impacts, ImpactSeverity::Breaks),
        ["This portal", "Binding \"https-0\"", "front.test", "The redirect of site \"front-test\""]
    );
    assert_eq!(what(&dry.impacts, ImpactSeverity::Stays), ["The loopback admin listener"]);
    let error = fixture.app.remove_certificate(&by(), "front-test", Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "certificate-in-use"));
    assert!(error.to_string().contains("Switch that redirect off first"), "{error}");
}

#[tokio::test]
async fn what_is_forced_is_removed_and_comes_back() {
    let fixture = front().await;
    let removed = fixture.app.remove_certificate(&by(), "front-test", Precondition::None, forced()).await.unwrap();
    let waiting = removed.confirmation.clone().unwrap();
    assert!(fixture.stored().await.certificates.is_empty());
    assert_eq!(fixture.stored().await.bindings[0].value.default_certificate, None);
    fixture.app.go_back(&by(), &waiting.id).await.unwrap();
    let stored = fixture.stored().await;
    assert_eq!(stored.certificates.len(), 1);
    assert_eq!(stored.bindings[0].value.default_certificate.as_ref().map(|id| id.as_str()), Some("front-test"));
    assert!(fixture.served.now().problems.is_empty(), "{:?}", fixture.served.now().problems);
}

#[tokio::test]
async fn the_last_way_in_is_not_removed() {
    let fixture = front().await;
    let error = fixture.app.remove_binding(&by(), "https-0", Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "would-lock-out"), "{error}");
    let error = fixture.app.remove_site(&by(), "front-test", Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "would-lock-out"), "{error}");
    let input = SiteUpdate { upstreams: Some(vec!["http://127.0.0.1:3000".to_owned()]), ..SiteUpdate::default() };
    let error = fixture.app.edit_site(&by(), "front-test", &input, Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "would-lock-out"), "{error}");
    let stored = fixture.stored().await;
    assert_eq!((stored.bindings.len(), stored.sites.len()), (1, 1));
}
