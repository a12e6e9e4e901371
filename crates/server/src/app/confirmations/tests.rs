#![allow(clippy::unwrap_used, reason = "tests")]
use std::time::Duration;

use portward_api::{DesiredStateApply, Recover, SiteUpdate, SiteView};
use portward_core::{CertificateId, ForceHttps, Host, Permission, Source, Timestamp, VersionNumber};
use portward_store::{
    change::{NewKey, NewVersion},
    sealing::Secret,
    work::{Renewal, is_noticed},
};

use super::*;
use crate::{
    app::{Apply, Precondition, Revised, new_key_id},
    fixture::{Fixture, binding, bundle, by, import, now, portal, site, within_a_minute},
};

/// Force HTTPS of a portal with a certificate and both kinds of bindings, that waits.
async fn waiting(fixture: &Fixture) -> ConfirmationView {
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    for url in ["http://127.0.0.1:0", "https://127.0.0.1:0"] {
        fixture.app.add_binding(&by(), &binding(url), Apply::Now).await.unwrap();
    }
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    let forced = force_https(fixture, "all", within_a_minute()).await.unwrap();
    forced.confirmation.unwrap()
}

async fn force_https(
    fixture: &Fixture,
    mode: &str,
    apply: Apply,
) -> Result<portward_api::Changed<Revised<SiteView>>, AppError> {
    let input = SiteUpdate { force_https: Some(mode.to_owned()), ..SiteUpdate::default() };
    fixture.app.edit_site(&by(), "front-test", &input, Precondition::None, apply).await
}

async fn stored_mode(fixture: &Fixture) -> Option<String> {
    fixture.stored().await.sites[0].value.force_https.map(|mode| mode.to_string())
}

async fn until_back(fixture: &Fixture) {
    let is_back = |state: &Arc<crate::served::ServedState>| {
        state.is_published && state.desired.sites.iter().all(|stored| stored.value.force_https.is_none())
    };
    fixture.served.until(is_back).await;
}

fn way(is_tls: bool) -> Way {
    let host = Some(Host::parse("front.test").unwrap());
    Way { listener: Listener::Binding, is_tls, host, ..Way::socket() }
}

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

#[tokio::test]
async fn a_change_is_in_effect_and_goes_back_by_itself_at_its_deadline() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    assert_eq!((view.seconds, view.seconds_left, view.way.as_str()), (60, 60, "https"));
    assert!(view.url.unwrap().starts_with("https://front.test:"));
    assert_eq!(stored_mode(&fixture).await.as_deref(), Some("all"), "it is in effect at once");
    let steps: Vec<&str> = view.trial.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(steps, ["tcp", "tls", "certificate", "name", "trust", "answer"]);

    fixture.set_now(later(59));
    fixture.app.go_back_overdue().await.unwrap();
    assert_eq!(stored_mode(&fixture).await.as_deref(), Some("all"));
    fixture.set_now(later(60));
    until_back(&fixture).await;
    assert_eq!(fixture.app.list_confirmations(&by()).await.unwrap(), []);
    assert_eq!(fixture.app.keep(&by(), &view.id, None).await.unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn a_server_that_died_goes_back_at_its_next_start() {
    let fixture = Fixture::start().await;
    waiting(&fixture).await;
    let fixture = fixture.restart().await;
    assert_eq!(fixture.app.list_confirmations(&by()).await.unwrap().len(), 1);
    fixture.set_now(later(3600));
    let fixture = fixture.restart().await;
    until_back(&fixture).await;
}

/// A clock that was set back kept operators out for as much longer.
#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_nothing() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    fixture.set_now(later(30));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(30)).await;
    fixture.set_now(later(1));
    let left = fixture.app.show_confirmation(&by(), &view.id).await.unwrap().seconds_left;
    assert!((28..=30).contains(&left), "{left}");
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    until_back(&fixture).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_to_before_a_change_does_not_keep_it_past_the_next_start() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    fixture.set_now(Timestamp::from_unix(now().unix() - 3600).unwrap());
    let fixture = fixture.restart().await;
    // From here on it is known, by a clock that nobody sets.
    fixture.app.go_back_overdue().await.unwrap();
    let left = fixture.app.show_confirmation(&by(), &view.id).await.unwrap().seconds_left;
    assert!((1..=view.seconds).contains(&left), "{left}");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(view.seconds + 1)).await;
    tokio::time::resume();
    until_back(&fixture).await;
}

#[tokio::test]
async fn a_change_that_is_kept_stays() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    let kept = fixture.app.keep(&by(), &view.id, Some(&Way::socket())).await.unwrap();
    assert!(kept.kept && kept.message.contains("does not show"), "{kept:?}");
    fixture.set_now(later(3600));
    fixture.app.go_back_overdue().await.unwrap();
    assert_eq!(stored_mode(&fixture).await.as_deref(), Some("all"));
}

#[tokio::test]
async fn one_can_go_back_without_waiting() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    let back = fixture.app.go_back(&by(), &view.id).await.unwrap();
    assert!(!back.kept);
    assert_eq!(stored_mode(&fixture).await, None);
}

/// A certificate of a CA with a site of its own and a redirect, that wait, and for which the CA issues meanwhile.
async fn waiting_and_issued(fixture: &Fixture) -> ConfirmationView {
    let state = serde_json::json!({
        "settings": { "force_https": "all" },
        "issuers": [{ "id": "ca", "directory": "https://ca.test/dir", "accept_terms": true }],
        "certificates": [{ "id": "shop", "managed": { "names": ["shop.test"] } }],
        "sites": [{ "id": "shop", "names": ["shop.test"], "upstreams": ["http://127.0.0.1:3000"] }],
    });
    let input = DesiredStateApply { state: serde_json::from_value(state).unwrap(), prune: false };
    let applied = fixture.app.apply_desired_state(&by(), &input, within_a_minute()).await.unwrap();

    let stored = fixture.stored().await;
    let shop = &stored.certificates[0];
    let bundle = bundle(&["shop.test"], 60);
    let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
    let version = NewVersion {
        source: Source::Acme,
        added: now(),
        chain: bundle.chain,
        facts: bundle.facts.into(),
        key: new_key_id().unwrap(),
        private_key: NewKey::Here(&secret),
    };
    let mut change = Change::new("portward (acme)", "issued", now());
    change.add_version(shop, version, &fixture.sealer().await);
    change.put_renewal(&shop.value.id, &Renewal::default());
    change.put_notice(&shop.value.id, VersionNumber(2), "expires");
    commit(&fixture.store, change).await.unwrap();
    applied.confirmation.unwrap()
}

/// It became permanent, redirect and all.
#[tokio::test]
async fn a_change_goes_back_although_a_ca_has_issued_for_what_it_added() {
    for how in ["at the deadline", "asked for", "recover"] {
        let fixture = Fixture::start().await;
        let view = waiting_and_issued(&fixture).await;
        match how {
            "at the deadline" => {
                fixture.set_now(later(60));
                let is_back = |state: &Arc<crate::served::ServedState>| state.desired.certificates.is_empty();
                fixture.served.until(is_back).await;
                // What is remembered is forgotten before others decide.
                drop(fixture.app.decide().await);
            }
            "asked for" => {
                let back = fixture.app.go_back(&by(), &view.id).await.unwrap();
                assert!(back.message.ends_with("is served again"), "{back:?}");
            }
            _ => {
                let done = fixture.app.recover(&by(), &Recover::default(), Apply::Now).await.unwrap();
                assert!(done.steps[0].starts_with("Went back to before revision"), "{done:?}");
            }
        }
        let stored = fixture.stored().await;
        assert_eq!(stored.settings.force_https, ForceHttps::Off, "{how}");
        assert!(stored.issuers.is_empty() && stored.bad.is_empty(), "{how}");
        assert!(stored.certificate(&CertificateId::parse("shop").unwrap()).is_none(), "{how}");
        assert!(stored.sites.iter().all(|site| site.value.id.as_str() != "shop"), "{how}");
        assert_eq!(fixture.app.list_confirmations(&by()).await.unwrap(), [], "{how}");
        let shop = CertificateId::parse("shop").unwrap();
        assert_eq!(Renewal::read(&fixture.store, &shop).await.unwrap(), None, "{how}");
        assert!(!is_noticed(&fixture.store, &shop, VersionNumber(2), "expires").await.unwrap(), "{how}");
    }
}

#[tokio::test]
async fn what_comes_by_the_old_way_confirms_nothing() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    let error = fixture.app.keep(&by(), &view.id, Some(&way(false))).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "confirm-by-new-way"));
    assert!(error.to_string().contains("https://front.test:"), "{error}");
    let kept = fixture.app.keep(&by(), &view.id, Some(&way(true))).await.unwrap();
    assert!(kept.message.contains("by the new way in"), "{kept:?}");
}

#[tokio::test]
async fn who_may_not_make_a_change_may_not_answer_for_it() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    let others = Actor::with(&[Permission::View, Permission::BindingChange]).may().unwrap();
    assert_eq!(fixture.app.keep(&others, &view.id, None).await.unwrap_err().code(), "not-permitted");
    assert_eq!(fixture.app.go_back(&others, &view.id).await.unwrap_err().code(), "not-permitted");
    assert!(fixture.app.first_confirmation(others.actor()).is_none());
    assert!(fixture.app.first_confirmation(by::<right::View>().actor()).is_some());
}

#[tokio::test]
async fn what_waits_is_not_changed_by_others_and_the_rest_is() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    let error = force_https(&fixture, "browsers", Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "confirmation-pending"));
    assert!(error.to_string().contains(&format!("portward confirm {}", view.id)), "{error}");
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    fixture.app.go_back(&by(), &view.id).await.unwrap();
    force_https(&fixture, "browsers", Apply::Now).await.unwrap();
}

#[tokio::test]
async fn a_redirect_to_where_no_good_certificate_is_goes_back_at_once() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    fixture.app.go_back(&by(), &view.id).await.unwrap();
    fixture.set_now(later(91 * 86_400));
    let error = force_https(&fixture, "all", within_a_minute()).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (422, "trial-certificate"), "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    assert_eq!(stored_mode(&fixture).await, None);
    assert_eq!(fixture.app.list_confirmations(&by()).await.unwrap(), []);
}

#[tokio::test]
async fn hsts_of_the_portal_needs_a_certificate_that_browsers_trust() {
    let fixture = Fixture::start().await;
    let view = waiting(&fixture).await;
    fixture.app.keep(&by(), &view.id, None).await.unwrap();
    let input = SiteUpdate { hsts: Some("1y".to_owned()), ..SiteUpdate::default() };
    let edited = fixture.app.edit_site(&by(), "front-test", &input, Precondition::None, Apply::Now).await;
    assert!(edited.unwrap_err().to_string().contains("signed by its own key"));
    assert_eq!(fixture.stored().await.sites[0].value.hsts.to_string(), "off");
}

#[tokio::test]
async fn a_redirect_without_an_https_binding_is_refused() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    let error = force_https(&fixture, "all", within_a_minute()).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "would-lock-out"));
}
