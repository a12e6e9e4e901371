//! The REST API: one table of routes, each with the right that it needs.
//!
//! A handler takes a [`call::Call`] of its right, and the use cases take the proof in it:
//! a route without a right, or with the wrong one, does not compile.
//! What is open to those who have not signed in takes a [`call::OpenCall`], and says so in the table.
//! Each row ends with a [`Doc`]: what the operation takes and answers, of which the OpenAPI document is made.

mod acme;
mod answer;
mod apply;
mod audit;
mod bindings;
mod body;
mod call;
mod certificates;
mod confirmations;
mod doc;
mod events;
mod explain;
mod https_settings;
mod notifications;
mod openapi;
mod query;
mod replay;
mod session;
mod settings;
mod setup;
mod sites;
mod status;
mod store;
mod table;
mod tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use http::Method;
use portward_api::{
    Answered, Applied, AttemptEvent, AuditVerification, AuditView, BACKUP_MEDIA_TYPE, BindingCreate, BindingUpdate, BindingView, CertificateExport, CertificateImport, CertificateRollback, CertificateTaken, CertificateVersionView, CertificateView, Changed, ChannelCreate, ChannelKindView, ChannelUpdate, ChannelView, ConfirmationView, DeliveredView, DesiredState, DesiredStateApply, EVENT_STREAM, ExplainRequest, ExplainView, ForeignImport, ForeignImported, HttpsSettingsUpdate, HttpsSettingsView, InspectionView, NoticeEvent, PasswordChange, PresetView, ProblemEvent, Removed, Restored, RevisionEvent, SecondFactorBegun, SecondFactorCode, SecondFactorEnd, SecondFactorOn, SelfSignedCreate, ServedEvent, SessionView, SettingsUpdate, SettingsView, SetupInput, SetupLinkView, SignIn, SiteCreate, SiteUpdate, SiteView, StatusView, TokenCreate, TokenCreated, TokenView, TrafficView, UserCreate, UserUpdate, UserView,
    acme::{
        AcmeCheck, AttemptView, CertificateRenew, CertificateRequestCreate, CertificateRevoke, CheckView,
        DnsProviderCreate, DnsProviderKindView, DnsProviderView, IssuerCreate, IssuerView, LetsEncryptConfigure,
        LetsEncryptStatus, RenewalView, Requested, Revoked, RolledOver, SimulateRequest, SimulateView,
    },
};

pub(crate) use answer::problem_response;
use doc::Doc;
pub(crate) use openapi::Document;
use table::Table;

use crate::app::App;

/// All routes of the API, and what describes them.
pub(crate) fn router(app: Arc<App>) -> (Router, Arc<Document>) {
    let table = table(app);
    let document = Arc::new(Document::of(table.routes()));
    (table.into_router(), document)
}

/// All rows of the table: method, path, and the permission that is needed; none for what is open.
#[cfg(test)]
pub(crate) fn rows(app: Arc<App>) -> Vec<(Method, &'static str, Option<portward_core::Permission>)> {
    table(app).routes().iter().map(|route| (route.method.clone(), route.path, route.permission)).collect()
}

fn table(app: Arc<App>) -> Table {
    use Method as M;
    Table::new(app)
        .route(
            M::GET,
            "/api/v1/openapi.json",
            openapi::show,
            Doc::act("show_openapi", "Shows this document.").answers_file(&["application/json"]),
        )
        .route(
            M::GET,
            "/api/v1/events",
            events::stream,
            Doc::act("stream_events", "Tells what happens, as it happens; Last-Event-ID goes on after an event.")
                .names::<RevisionEvent>()
                .names::<ServedEvent>()
                .names::<ProblemEvent>()
                .names::<AttemptEvent>()
                .names::<NoticeEvent>()
                .answers_file(&[EVENT_STREAM]),
        )
        .route(
            M::GET,
            "/api/v1/status",
            status::show,
            Doc::act("show_status", "Shows what is served, and what is wrong.").answers::<StatusView>(),
        )
        .route(
            M::GET,
            "/api/v1/bindings",
            bindings::list,
            Doc::list::<BindingView>("list_bindings", "Lists the bindings."),
        )
        .route(
            M::POST,
            "/api/v1/bindings",
            bindings::add,
            Doc::add::<BindingCreate, Changed<BindingView>>("add_binding", "Adds a binding, which is tried first.")
                .safely(),
        )
        .route(
            M::GET,
            "/api/v1/bindings/{id}",
            bindings::show,
            Doc::show::<BindingView>("show_binding", "Shows a binding."),
        )
        .route(
            M::PATCH,
            "/api/v1/bindings/{id}",
            bindings::edit,
            Doc::edit::<BindingUpdate, Changed<BindingView>>(
                "edit_binding",
                "Has a binding present another certificate by default.",
            )
            .safely(),
        )
        .route(
            M::DELETE,
            "/api/v1/bindings/{id}",
            bindings::remove,
            Doc::remove::<Changed<Removed>>("remove_binding", "Removes a binding; its connections finish.").safely(),
        )
        .route(M::GET, "/api/v1/sites", sites::list, Doc::list::<SiteView>("list_sites", "Lists the sites."))
        .route(M::POST, "/api/v1/sites", sites::add, Doc::add::<SiteCreate, SiteView>("add_site", "Adds a site."))
        .route(M::GET, "/api/v1/sites/{id}", sites::show, Doc::show::<SiteView>("show_site", "Shows a site."))
        .route(
            M::PATCH,
            "/api/v1/sites/{id}",
            sites::edit,
            Doc::edit::<SiteUpdate, Changed<SiteView>>("edit_site", "Changes a site; what is left out stays.").safely(),
        )
        .route(
            M::DELETE,
            "/api/v1/sites/{id}",
            sites::remove,
            Doc::remove::<Changed<Removed>>("remove_site", "Removes a site.").safely(),
        )
        .route(
            M::GET,
            "/api/v1/https-settings",
            https_settings::show,
            Doc::act(
                "show_https_settings",
                "Shows how the portal is reached, and what removing its certificate breaks.",
            )
            .answers::<HttpsSettingsView>(),
        )
        .route(
            M::PUT,
            "/api/v1/https-settings",
            https_settings::change,
            Doc::act(
                "change_https_settings",
                "Changes certificate, port and redirect of the portal at once; what is left out stays.",
            )
            .takes::<HttpsSettingsUpdate>()
            .dry_run()
            .safely()
            .answers::<Changed<HttpsSettingsView>>(),
        )
        .route(
            M::GET,
            "/api/v1/confirmations",
            confirmations::list,
            Doc::list::<ConfirmationView>(
                "list_confirmations",
                "Lists the changes that go back by themselves unless they are confirmed.",
            ),
        )
        .route(
            M::GET,
            "/api/v1/confirmations/{id}",
            confirmations::show,
            Doc::act("show_confirmation", "Shows a change that waits to be confirmed.").answers::<ConfirmationView>(),
        )
        .route(
            M::POST,
            "/api/v1/confirmations/{id}",
            confirmations::keep,
            Doc::act("confirm_change", "Keeps a change that waits, if this comes by the new way in.")
                .answers::<Answered>(),
        )
        .route(
            M::DELETE,
            "/api/v1/confirmations/{id}",
            confirmations::go_back,
            Doc::act("go_back", "Goes back from a change that waits, without waiting longer.").answers::<Answered>(),
        )
        .route(
            M::POST,
            "/api/v1/undo/{id}",
            confirmations::undo,
            Doc::act("undo_change", "Puts back what the change of a revision replaced, for ten minutes after it.")
                .answers::<Answered>(),
        )
        .route(
            M::GET,
            "/api/v1/sites/{id}/traffic",
            sites::show_traffic,
            Doc::act("show_traffic", "Shows what came to a site since this server first served it.")
                .answers::<TrafficView>(),
        )
        .route(
            M::GET,
            "/api/v1/presets",
            sites::list_presets,
            Doc::list::<PresetView>("list_presets", "Lists what well-known applications want of their sites."),
        )
        .route(
            M::GET,
            "/api/v1/certificates",
            certificates::list,
            Doc::list::<CertificateView>(
                "list_certificates",
                "Lists the certificates, each with the version that is served.",
            ),
        )
        .route(
            M::POST,
            "/api/v1/certificates",
            certificates::import,
            Doc::add::<CertificateImport, Changed<CertificateTaken>>(
                "import_certificate",
                "Takes a certificate with its private key.",
            )
            .safely()
            .if_match(),
        )
        .route(
            M::POST,
            "/api/v1/certificates/self-signed",
            certificates::make_self_signed,
            Doc::add::<SelfSignedCreate, CertificateTaken>(
                "make_self_signed_certificate",
                "Makes a certificate that is signed by its own key.",
            ),
        )
        .route(
            M::POST,
            "/api/v1/certificates/inspect",
            certificates::inspect,
            Doc::act("inspect_certificate", "Looks at files as an import would, and stores nothing.")
                .takes::<CertificateImport>()
                .answers::<InspectionView>(),
        )
        .route(
            M::GET,
            "/api/v1/certificates/{id}",
            certificates::show,
            Doc::show::<CertificateView>("show_certificate", "Shows a certificate, with the version that is served."),
        )
        .route(
            M::DELETE,
            "/api/v1/certificates/{id}",
            certificates::remove,
            Doc::remove::<Changed<Removed>>("remove_certificate", "Removes a certificate with all its versions.")
                .safely(),
        )
        .route(
            M::GET,
            "/api/v1/certificates/{id}/versions",
            certificates::list_versions,
            Doc::list::<CertificateVersionView>(
                "list_certificate_versions",
                "Lists the versions of a certificate that can be gone back to.",
            ),
        )
        .route(
            M::POST,
            "/api/v1/certificates/{id}/export",
            certificates::export,
            Doc::act("export_certificate", "Gives a certificate out with its private key.")
                .takes::<CertificateExport>()
                .answers_file(&["application/x-pem-file", "application/x-pkcs12"]),
        )
        .route(
            M::POST,
            "/api/v1/certificates/{id}/rollback",
            certificates::roll_back,
            Doc::edit::<CertificateRollback, Changed<CertificateTaken>>(
                "roll_back_certificate",
                "Goes back to the version before the one that is served.",
            )
            .safely(),
        )
        .route(
            M::POST,
            "/api/v1/certificates/request",
            acme::request,
            Doc::add::<CertificateRequestCreate, Requested>(
                "request_certificate",
                "Asks a CA for a certificate and keeps it renewed; it is self-signed until there is one.",
            )
            .if_match(),
        )
        .route(
            M::GET,
            "/api/v1/certificates/{id}/renewal",
            acme::show_renewal,
            Doc::act("show_renewal", "Shows when a certificate is renewed, and what is going on.")
                .answers::<RenewalView>(),
        )
        .route(
            M::GET,
            "/api/v1/certificates/{id}/attempts",
            acme::list_certificate_attempts,
            Doc::list::<AttemptView>(
                "list_certificate_attempts",
                "Lists the attempts to get one certificate, newest first.",
            ),
        )
        .route(
            M::POST,
            "/api/v1/certificates/{id}/renew",
            acme::renew,
            Doc::act("renew_certificate", "Has a certificate renewed; the order is only begun when this answers.")
                .takes::<CertificateRenew>()
                .answers::<RenewalView>(),
        )
        .route(
            M::POST,
            "/api/v1/certificates/{id}/revoke",
            acme::revoke,
            Doc::act("revoke_certificate", "Has the version that is served revoked by its CA.")
                .takes::<CertificateRevoke>()
                .answers::<Revoked>(),
        )
        .route(
            M::POST,
            "/api/v1/certificates/{id}/unmanage",
            acme::unmanage,
            Doc::act("unmanage_certificate", "Renews a certificate no more; it stays, and is served until its end.")
                .if_match()
                .answers::<CertificateView>()
                .tagged(),
        )
        .route(
            M::GET,
            "/api/v1/acme/issuers",
            acme::list_issuers,
            Doc::list::<IssuerView>("list_issuers", "Lists the issuers."),
        )
        .route(
            M::POST,
            "/api/v1/acme/issuers",
            acme::add_issuer,
            Doc::add::<IssuerCreate, IssuerView>(
                "add_issuer",
                "Adds an issuer; its account is made with the first order.",
            ),
        )
        .route(
            M::GET,
            "/api/v1/acme/issuers/{id}",
            acme::show_issuer,
            Doc::show::<IssuerView>("show_issuer", "Shows an issuer."),
        )
        .route(
            M::DELETE,
            "/api/v1/acme/issuers/{id}",
            acme::remove_issuer,
            Doc::remove::<Removed>("remove_issuer", "Removes an issuer that no certificate is asked of."),
        )
        .route(
            M::POST,
            "/api/v1/acme/issuers/{id}/rollover",
            acme::roll_over_account,
            Doc::act("roll_over_account", "Gives the account with an issuer a new key (RFC 8555 section 7.3.5).")
                .answers::<RolledOver>(),
        )
        .route(
            M::GET,
            "/api/v1/acme/dns-kinds",
            acme::list_dns_kinds,
            Doc::list::<DnsProviderKindView>("list_dns_kinds", "Lists the kinds of DNS providers with their settings."),
        )
        .route(
            M::GET,
            "/api/v1/acme/dns-providers",
            acme::list_dns_providers,
            Doc::list::<DnsProviderView>("list_dns_providers", "Lists the DNS providers."),
        )
        .route(
            M::POST,
            "/api/v1/acme/dns-providers",
            acme::add_dns_provider,
            Doc::add::<DnsProviderCreate, DnsProviderView>("add_dns_provider", "Adds a DNS provider."),
        )
        .route(
            M::GET,
            "/api/v1/acme/dns-providers/{id}",
            acme::show_dns_provider,
            Doc::show::<DnsProviderView>("show_dns_provider", "Shows a DNS provider, without its secrets."),
        )
        .route(
            M::DELETE,
            "/api/v1/acme/dns-providers/{id}",
            acme::remove_dns_provider,
            Doc::remove::<Removed>("remove_dns_provider", "Removes a DNS provider that no certificate needs."),
        )
        .route(
            M::GET,
            "/api/v1/notification-kinds",
            notifications::list_kinds,
            Doc::list::<ChannelKindView>("list_channel_kinds", "Lists the kinds of channels with their settings."),
        )
        .route(
            M::GET,
            "/api/v1/notifications",
            notifications::list,
            Doc::list::<ChannelView>("list_channels", "Lists the notification channels, and how sending on them goes."),
        )
        .route(
            M::POST,
            "/api/v1/notifications",
            notifications::add,
            Doc::add::<ChannelCreate, ChannelView>("add_channel", "Adds a notification channel; nothing is sent yet."),
        )
        .route(
            M::GET,
            "/api/v1/notifications/{id}",
            notifications::show,
            Doc::show::<ChannelView>("show_channel", "Shows a notification channel, without its secrets."),
        )
        .route(
            M::PATCH,
            "/api/v1/notifications/{id}",
            notifications::edit,
            Doc::edit::<ChannelUpdate, ChannelView>(
                "edit_channel",
                "Changes a notification channel; what is left out stays.",
            ),
        )
        .route(
            M::DELETE,
            "/api/v1/notifications/{id}",
            notifications::remove,
            Doc::remove::<Removed>("remove_channel", "Removes a notification channel with what waits for it."),
        )
        .route(
            M::POST,
            "/api/v1/notifications/{id}/test",
            notifications::test,
            Doc::act("test_channel", "Sends a test message now, and tells what the other side said.")
                .answers::<DeliveredView>(),
        )
        .route(
            M::GET,
            "/api/v1/acme/attempts",
            acme::list_attempts,
            Doc::list::<AttemptView>("list_attempts", "Lists the attempts to get certificates, newest first."),
        )
        .route(
            M::GET,
            "/api/v1/acme/attempts/{id}",
            acme::show_attempt,
            Doc::act("show_attempt", "Shows an attempt.").answers::<AttemptView>(),
        )
        .route(
            M::GET,
            "/api/v1/acme/renewals",
            acme::list_renewals,
            Doc::list::<RenewalView>("list_renewals", "Lists the managed certificates, with what is going on."),
        )
        .route(
            M::GET,
            "/api/v1/acme/letsencrypt",
            acme::show_letsencrypt,
            Doc::act("show_letsencrypt", "Shows what is configured for the server's own name.")
                .answers::<LetsEncryptStatus>(),
        )
        .route(
            M::POST,
            "/api/v1/acme/letsencrypt",
            acme::configure,
            Doc::act("configure_letsencrypt", "Gets a certificate for the server's own name, and keeps it renewed.")
                .takes::<LetsEncryptConfigure>()
                .dry_run()
                .answers::<LetsEncryptStatus>()
                .tagged(),
        )
        .route(
            M::POST,
            "/api/v1/acme/letsencrypt/renew",
            acme::renew_letsencrypt,
            Doc::act("renew_letsencrypt", "Has the certificate for the server's own name renewed.")
                .takes::<CertificateRenew>()
                .answers::<LetsEncryptStatus>(),
        )
        .route(
            M::DELETE,
            "/api/v1/acme/letsencrypt",
            acme::disable_letsencrypt,
            Doc::act("disable_letsencrypt", "Gets no more certificates for the server's own name.")
                .answers::<LetsEncryptStatus>(),
        )
        .route(
            M::POST,
            "/api/v1/acme/check",
            acme::check,
            Doc::act("check_name", "Says what would come of asking a CA for a name.")
                .takes::<AcmeCheck>()
                .answers::<CheckView>(),
        )
        .route(
            M::POST,
            "/api/v1/acme/simulate",
            acme::simulate,
            Doc::act("simulate_renewals", "Says what will be renewed when.")
                .takes::<SimulateRequest>()
                .answers::<SimulateView>(),
        )
        .route(
            M::POST,
            "/api/v1/import",
            acme::import_foreign,
            Doc::act("import_foreign", "Takes over what another ACME program has on disk.")
                .takes::<ForeignImport>()
                .dry_run()
                .answers::<ForeignImported>(),
        )
        .route(
            M::GET,
            "/api/v1/desired-state",
            apply::export,
            Doc::act("export_desired_state", "Shows all that operators asked for, as a document without secrets.")
                .answers::<DesiredState>(),
        )
        .route(
            M::POST,
            "/api/v1/apply",
            apply::apply,
            Doc::act("apply_desired_state", "Makes the desired state what is declared, in one change.")
                .takes::<DesiredStateApply>()
                .dry_run()
                .answers::<Applied>(),
        )
        .route(
            M::GET,
            "/api/v1/settings",
            settings::show,
            Doc::show::<SettingsView>("show_settings", "Shows what applies to the whole server."),
        )
        .route(
            M::PATCH,
            "/api/v1/settings",
            settings::edit,
            Doc::edit::<SettingsUpdate, SettingsView>("edit_settings", "Changes settings; what is left out stays."),
        )
        .route(
            M::POST,
            "/api/v1/explain",
            explain::explain,
            Doc::act("explain_host", "Says why a host name answers as it does, step by step.")
                .takes::<ExplainRequest>()
                .answers::<ExplainView>(),
        )
        .route(
            M::GET,
            "/api/v1/audit",
            audit::list,
            Doc::list::<AuditView>("list_audit", "Lists who changed what, the newest first.").parameters(&[
                ("who", "Text in the name of who changed something.", ""),
                ("what", "Text in what was done, or in a key that was written.", ""),
                ("day", "A day in UTC, as in `2026-11-20`.", DAY),
            ]),
        )
        .route(
            M::GET,
            "/api/v1/audit/verify",
            audit::verify,
            Doc::act("verify_audit", "Goes through the whole chain of audit records and says whether it holds.")
                .parameters(&[("known", "The hash of a record that was kept somewhere else.", HASH)])
                .answers::<AuditVerification>(),
        )
        .route(
            M::POST,
            "/api/v1/store/backup",
            store::backup,
            Doc::act("back_up_store", "Gives out a backup of all that is stored.").answers_file(&[BACKUP_MEDIA_TYPE]),
        )
        .route(
            M::POST,
            "/api/v1/store/restore",
            store::restore,
            Doc::act("restore_store", "Puts a backup in the place of all that is stored.")
                .takes_file(BACKUP_MEDIA_TYPE)
                .dry_run()
                .answers::<Restored>(),
        )
        .route(M::GET, "/api/v1/users", users::list, Doc::list::<UserView>("list_users", "Lists the users."))
        .route(M::POST, "/api/v1/users", users::add, Doc::add::<UserCreate, UserView>("add_user", "Adds a user."))
        .route(
            M::GET,
            "/api/v1/users/{id}",
            users::show,
            Doc::show::<UserView>("show_user", "Shows a user; its id is its name."),
        )
        .route(
            M::PATCH,
            "/api/v1/users/{id}",
            users::edit,
            Doc::edit::<UserUpdate, UserView>("edit_user", "Changes a user; what is left out stays."),
        )
        .route(
            M::DELETE,
            "/api/v1/users/{id}",
            users::remove,
            Doc::remove::<Removed>("remove_user", "Removes a user with their tokens; their sessions end."),
        )
        .route(
            M::GET,
            "/api/v1/tokens",
            tokens::list,
            Doc::list::<TokenView>("list_tokens", "Lists the tokens that were not revoked, without their secrets."),
        )
        .route(
            M::POST,
            "/api/v1/tokens",
            tokens::create,
            Doc::act("create_token", "Makes a token; its secret is in this answer alone.")
                .takes::<TokenCreate>()
                .dry_run()
                .answers::<TokenCreated>()
                .made::<TokenCreated>(),
        )
        .route(
            M::DELETE,
            "/api/v1/tokens/{id}",
            tokens::revoke,
            Doc::act("revoke_token", "Revokes a token; the next request with it is refused.")
                .dry_run()
                .answers::<Removed>(),
        )
        .route(
            M::POST,
            "/api/v1/setup-link",
            setup::make_link,
            Doc::act("make_setup_link", "Makes a link by which the first owner comes; on the admin socket alone.")
                .answers::<SetupLinkView>(),
        )
        .open(
            M::POST,
            "/api/v1/setup",
            setup::create_owner,
            Doc::act("create_owner", "Creates the first owner, for who has the token of the setup link.")
                .takes::<SetupInput>()
                .answers::<UserView>(),
        )
        .open(
            M::GET,
            "/api/v1/session",
            session::show,
            Doc::act("show_session", "Shows who asks, and what they may.").answers::<SessionView>(),
        )
        .open(
            M::POST,
            "/api/v1/session",
            session::sign_in,
            Doc::act("sign_in", "Signs in: the answer has the cookie of the session.")
                .takes::<SignIn>()
                .answers::<SessionView>(),
        )
        .open(
            M::DELETE,
            "/api/v1/session",
            session::sign_out,
            Doc::act("sign_out", "Ends the session that asks.").answers::<SessionView>(),
        )
        .open(
            M::POST,
            "/api/v1/session/password",
            session::change_password,
            Doc::act("change_own_password", "Changes one's own password; all other sessions end.")
                .takes::<PasswordChange>()
                .answers::<SessionView>(),
        )
        .open(
            M::POST,
            "/api/v1/session/second-factor",
            session::begin_second_factor,
            Doc::act("begin_second_factor", "Begins to set up a second factor; it counts when a code of it was sent.")
                .answers::<SecondFactorBegun>(),
        )
        .open(
            M::PUT,
            "/api/v1/session/second-factor",
            session::finish_second_factor,
            Doc::act("finish_second_factor", "Turns on the second factor that was begun; all other sessions end.")
                .takes::<SecondFactorCode>()
                .answers::<SecondFactorOn>(),
        )
        .open(
            M::DELETE,
            "/api/v1/session/second-factor",
            session::end_second_factor,
            Doc::act("end_second_factor", "Turns off one's own second factor; all other sessions end.")
                .takes::<SecondFactorEnd>()
                .answers::<SessionView>(),
        )
}

/// A date (RFC 3339 section 5.6).
const DAY: &str = "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$";
/// SHA-256 in hexadecimal digits.
const HASH: &str = "^[0-9a-f]{64}$";

#[cfg(test)]
mod tests;
