//! What stands around every page: navigation, search, what is served, who is signed in.

use askama::Template;
use axum::response::Response;
use portward_api::Severity;

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
    /// Its places: which, where, its icon, what it is called.
    pub(super) places: &'static [(Nav, &'static str, &'static str, &'static str)],
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
            confirming: Confirming::of(app, actor, None, "/"),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// The navigation.
    pub(super) fn groups(&self) -> &'static [Group] {
        GROUPS
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

/// All places of the navigation: which, where, its icon, what it is called.
pub(super) fn places() -> impl Iterator<Item = &'static (Nav, &'static str, &'static str, &'static str)> {
    GROUPS.iter().flat_map(|group| group.places)
}

const GROUPS: &[Group] = &[
    Group { heading: None, places: &[(Nav::Overview, "/", "i-overview", "Overview")] },
    Group {
        heading: Some("Front door"),
        places: &[
            (Nav::Bindings, "/bindings", "i-binding", "Bindings"),
            (Nav::Sites, "/sites", "i-site", "Sites"),
            (Nav::HttpsSettings, "/https-settings", "i-https", "HTTPS settings"),
        ],
    },
    Group {
        heading: Some("Certificates"),
        places: &[
            (Nav::Certificates, "/certificates", "i-cert", "Certificates"),
            (Nav::LetsEncrypt, "/lets-encrypt", "i-le", "Let’s Encrypt"),
            (Nav::Issuers, "/issuers", "i-key", "Issuers and DNS"),
        ],
    },
    Group {
        heading: Some("Look closer"),
        places: &[
            (Nav::Problems, "/problems", "i-problem", "Problems"),
            (Nav::Explain, "/explain", "i-explain", "Explain"),
            (Nav::Audit, "/audit", "i-audit", "Audit"),
        ],
    },
    Group {
        heading: Some("Server"),
        places: &[
            (Nav::Users, "/users", "i-users", "Users and tokens"),
            (Nav::Notifications, "/notifications", "i-bell", "Notifications"),
            (Nav::Backup, "/backup", "i-backup", "Backup"),
            (Nav::Settings, "/settings", "i-set", "Settings"),
        ],
    },
];
