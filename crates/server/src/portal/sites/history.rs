//! Who changed a site, and when.

use askama::Template;
use axum::response::Response;
use portward_api::AuditQuery;
use portward_core::Timestamp;

use super::{
    super::{
        answer,
        frame::{Frame, Nav},
        view::When,
        visit::Visit,
    },
    tab::{Head, Tab, find},
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "sites/history.html")]
struct HistoryPage {
    frame: Frame,
    head: Head,
    /// None for whom the audit is none of their business.
    records: Option<Vec<Record>>,
    has_more: bool,
}

/// Is one change.
struct Record {
    when: When,
    who: String,
    what: String,
}

/// Shows the newest changes.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let (served, now) = (visit.app.served(), visit.app.now());
    let site = find(&served.desired, visit.param("id"))?;
    let head = Head::of(&visit, &served, site, Tab::History);
    let key = format!("sites/{}", site.id);
    let (records, has_more) = match visit.may::<right::AuditView>() {
        Err(_) => (None, false),
        Ok(by) => {
            let query = AuditQuery { what: Some(key.clone()), ..AuditQuery::default() };
            let page = visit.app.list_audit(&by, &query).await?;
            // "sites/shop" is in "sites/shop-2" too.
            let of_site = page.items.into_iter().filter(|record| record.changes.iter().any(|change| change.key == key));
            let records = of_site.map(|record| Record {
                when: When::new(Timestamp::parse(&record.at).unwrap_or(now), now),
                who: record.who,
                what: record.what,
            });
            (Some(records.collect()), page.next_cursor.is_some())
        }
    };
    let frame = visit.frame(Nav::Sites, format!("{} history", head.title));
    answer::html(&HistoryPage { frame, head, records, has_more })
}
