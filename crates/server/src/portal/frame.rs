//! What stands around every page: navigation, search, what is served, who is signed in.

use askama::Template;
use axum::response::Response;
use portward_api::Severity;
use portward_core::Permission;

use super::{
    answer,
    confirming::Confirming,
    toast::Toast,
    view::{grouped, initials},
    visit::Visit,
};
use crate::{
    app::{Actor, App, AppError, right},
    served::ServedState,
};

/// Is what the frame of a page shows.
pub(super) struct Frame {
    /// The page, for the title of the window.
    pub(super) title: String,
    /// Where the page is in the navigation.
    pub(super) nav: Nav,
    /// How many problems are open.
    pub(super) problems: usize,
    /// Whether one of them is an error.
    pub(super) has_error: bool,
    /// The revision that is served.
    pub(super) revision: String,
    /// Who is signed in.
    pub(super) person: String,
    /// Two letters of it.
    pub(super) initials: String,
    /// What is said once.
    pub(super) toast: Option<Toast>,
    /// The change that waits to be confirmed by who is signed in.
    pub(super) confirming: Option<Confirming>,
    /// Which Portward this is.
    pub(super) version: &'static str,
    groups: Vec<Group>,
}

/// Names the places of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nav {
    /// None of them.
    None,
    /// Overview.
    Overview,
    /// Bindings.
    Bindings,
    /// Sites.
    Sites,
    /// HTTPS settings.
    HttpsSettings,
    /// Certificates.
    Certificates,
    /// Let's Encrypt.
    LetsEncrypt,
    /// Issuers and DNS.
    Issuers,
    /// Agents.
    Agents,
    /// Problems.
    Problems,
    /// Explain.
    Explain,
    /// Audit.
    Audit,
    /// Users and tokens.
    Users,
    /// Notifications.
    Notifications,
    /// Backup.
    Backup,
    /// Settings.
    Settings,
}

/// Is a group of places under one heading.
pub(super) struct Group {
    /// Its heading; none for the first one.
    pub(super) heading: Option<&'static str>,
    /// Its places.
    pub(super) places: Vec<&'static Place>,
}

/// Is one place of the navigation.
pub(super) struct Place {
    /// Which one.
    pub(super) nav: Nav,
    /// Where it is.
    pub(super) path: &'static str,
    /// Its icon.
    pub(super) icon: &'static str,
    /// What it is called.
    pub(super) name: &'static str,
    /// Who may see it.
    pub(super) permission: Permission,
}

impl Frame {
    /// Makes the frame of a page.
    pub(super) fn new(app: &App, actor: &Actor, nav: Nav, title: impl Into<String>) -> Self {
        let served = app.served();
        let problems = &served.problems;
        let person = actor.to_string();
        Self {
            title: title.into(),
            nav,
            problems: problems.len(),
            has_error: has_error(&served),
            revision: grouped(served.desired.revision.0),
            initials: initials(&person),
            person,
            toast: app.toasts().take(actor),
            confirming: Confirming::of(app, actor, None, || "/".to_owned()),
            version: env!("CARGO_PKG_VERSION"),
            groups: groups(actor),
        }
    }

    /// The navigation, for who looks.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

/// What of the frame changes by itself.
#[derive(Template)]
#[template(path = "live.html")]
struct LiveFrame {
    problems: usize,
    has_error: bool,
    revision: String,
}

/// Shows what of the frame changes; what is to be said once is left for the next page.
pub(super) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    answer::html(&LiveFrame {
        problems: served.problems.len(),
        has_error: has_error(&served),
        revision: grouped(served.desired.revision.0),
    })
}

fn has_error(served: &ServedState) -> bool {
    served.problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// The places that somebody may see.
pub(super) fn places(actor: &Actor) -> impl Iterator<Item = &'static Place> {
    GROUPS.iter().flat_map(|(_, places)| *places).filter(|place| actor.holds(place.permission))
}

fn groups(actor: &Actor) -> Vec<Group> {
    let group = |(heading, places): &(Option<&'static str>, &'static [Place])| Group {
        heading: *heading,
        places: places.iter().filter(|place| actor.holds(place.permission)).collect(),
    };
    GROUPS.iter().map(group).filter(|group| !group.places.is_empty()).collect()
}

const fn place(nav: Nav, path: &'static str, icon: &'static str, name: &'static str, permission: Permission) -> Place {
    Place { nav, path, icon, name, permission }
}

const GROUPS: &[(Option<&str>, &[Place])] = &[
    (None, &[place(Nav::Overview, "/", "i-overview", "Overview", Permission::View)]),
    (
        Some("Front door"),
        &[
            place(Nav::Bindings, "/bindings", "i-binding", "Bindings", Permission::View),
            place(Nav::Sites, "/sites", "i-site", "Sites", Permission::View),
            place(Nav::HttpsSettings, "/https-settings", "i-https", "HTTPS settings", Permission::View),
        ],
    ),
    (
        Some("Certificates"),
        &[
            place(Nav::Certificates, "/certificates", "i-cert", "Certificates", Permission::View),
            place(Nav::LetsEncrypt, "/lets-encrypt", "i-le", "Let’s Encrypt", Permission::View),
            place(Nav::Issuers, "/issuers", "i-key", "Issuers and DNS", Permission::View),
        ],
    ),
    (Some("Machines"), &[place(Nav::Agents, "/agents", "i-agent", "Agents", Permission::View)]),
    (
        Some("Look closer"),
        &[
            place(Nav::Problems, "/problems", "i-problem", "Problems", Permission::View),
            place(Nav::Explain, "/explain", "i-explain", "Explain", Permission::View),
            place(Nav::Audit, "/audit", "i-audit", "Audit", Permission::AuditView),
        ],
    ),
    (
        Some("Server"),
        &[
            place(Nav::Users, "/users", "i-users", "Users and tokens", Permission::UserView),
            place(Nav::Notifications, "/notifications", "i-bell", "Notifications", Permission::View),
            place(Nav::Backup, "/backup", "i-backup", "Backup", Permission::StoreBackup),
            place(Nav::Settings, "/settings", "i-set", "Settings", Permission::View),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture::Fixture, portal::browser::Browser};

    #[tokio::test]
    async fn nobody_is_led_to_a_page_that_refuses_them() {
        let fixture = Fixture::start().await;
        let rows = crate::portal::rows(std::sync::Arc::clone(&fixture.app));
        for place in GROUPS.iter().flat_map(|(_, places)| *places) {
            let row = rows.iter().find(|(method, path, _)| *method == http::Method::GET && *path == place.path);
            assert_eq!(row.and_then(|row| row.2), Some(place.permission), "{}", place.path);
        }
        let page = Browser::with(&fixture, &[Permission::View]).get("/settings").await;
        for path in ["/users", "/backup", "/audit"] {
            page.hides(&format!("href=\"{path}\""));
        }
        page.shows("href=\"/notifications\"");
        page.hides("Save and serve");
        Browser::of(&fixture).get("/settings").await.shows("href=\"/users\"");
    }
}
