//! Importing a certificate: drop whatever there is, see the chain being built and what is missing, and then say so.

mod findings;
mod given;
#[cfg(test)]
mod tests;
mod uploads;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{
    CertificateImport, CertificateOutcome, InspectedCertificateView, InspectedFileView, InspectionView,
};
use portward_core::{CertificateId, Timestamp};

pub(crate) use uploads::Uploads;

use self::{
    findings::{Check, checks, for_people, hash, leaf, locked, tally},
    given::Given,
    uploads::Upload,
};
use super::{
    answer,
    certificates::common_name,
    chain::{self, Piece, Tie},
    equivalents::{self, DifferenceLine, Equivalents},
    frame::{Frame, Nav},
    view::{Mark, counted, day, in_fours, span},
    visit::Visit,
};
use crate::{
    app::{AppError, Apply, Precondition, Right, certificates::Usage, right},
    served::ServedState,
};

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    frame: Frame,
    /// The certificate of which it is to be a version, if that was said.
    over: Option<String>,
    /// What was given; none before that.
    look: Option<Look>,
    refused: Option<String>,
    /// Whether pasting is what the page is opened for.
    pastes: bool,
    equivalents: Equivalents,
}

/// Is what was found in what was given.
struct Look {
    upload: String,
    tally: String,
    files: Vec<FileRow>,
    chain: Vec<Piece>,
    chain_class: &'static str,
    chain_says: &'static str,
    sha256: String,
    sha1: String,
    checks: Vec<Check>,
    checks_say: String,
    targets: Vec<Target>,
    /// Whether the password is asked for, and why.
    password: Option<String>,
    /// Why it cannot be imported as it is.
    refusal: Option<String>,
    /// Whether its dates are all that is against it.
    is_out_of_time: bool,
    /// Whether it is to be taken although it is out of its time.
    takes_expired: bool,
    /// Whether it is there already.
    is_present: Option<String>,
    /// Whether a password opened something, or is to.
    is_locked: bool,
}

struct FileRow {
    name: String,
    what: String,
    mark: Mark,
    remark: String,
}

/// Says what it is to be stored as.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// Nobody has said: what is most likely is proposed.
    Unsaid,
    /// A new certificate.
    New,
    /// A version of that certificate.
    VersionOf(String),
}

/// Is one answer to "store it as".
struct Target {
    /// The id of a certificate; empty for a new one.
    id: String,
    version: u32,
    is_chosen: bool,
    says: String,
}

/// Shows the form, or what was given.
pub(super) async fn show(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let over = visit.query.filled("over").map(str::to_owned);
    if let Some(over) = &over {
        visit.app.show_certificate(&visit.may()?, over)?;
    }
    let Some(id) = visit.query.filled("upload").map(str::to_owned) else {
        return answer::html(&empty(&visit, over, None));
    };
    let Some(upload) = visit.app.uploads().get(visit.by.actor(), &id, visit.app.now()) else {
        let gone = "What you gave is kept for 10 minutes, and is gone. Give it again.".to_owned();
        return answer::html(&empty(&visit, over, Some(gone)));
    };
    let look = look(&visit, &id, &upload, over.as_deref(), &Wanted::Unsaid, false).await?;
    let pastes = visit.query.is_ticked("paste");
    answer::html(&page(&visit, over, Some(look), None, pastes))
}

/// Takes files, forgets one, or imports them.
pub(super) async fn submit(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let Given { upload: more, fields } = given::read(visit.multipart().await?).await?;
    let over = fields.filled("over").map(str::to_owned);
    let (actor, now) = (visit.by.actor().clone(), visit.app.now());
    let before = fields.filled("upload").map(str::to_owned);
    let mut upload = before.as_deref().and_then(|id| visit.app.uploads().get(&actor, id, now)).unwrap_or_default();
    let added = upload.add(more);
    if let Err(error) = added {
        return answer::with_status(error.status(), &empty(&visit, over, Some(answer::sentence(&error))));
    }
    if let Some(index) = fields.filled("remove").and_then(|index| index.parse::<usize>().ok())
        && index < upload.files.len()
    {
        upload.files.remove(index);
    }
    if upload.files.is_empty() {
        let refused = match &before {
            Some(_) => None,
            None => Some("Choose a file, or paste text.".to_owned()),
        };
        let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        return answer::with_status(status, &empty(&visit, over, refused));
    }
    let id = visit.app.uploads().keep(&actor, before.as_deref(), upload.clone(), now)?;
    if fields.text("step") != "import" {
        let over = over.map(|over| format!("&over={over}")).unwrap_or_default();
        return Ok(answer::see_other(&format!("/import?upload={id}{over}")));
    }
    let wanted = Wanted::of(fields.given("as"));
    let takes_expired = fields.is_ticked("allow_expired");
    let input = input(&upload, wanted.id().map(str::to_owned), takes_expired);
    match visit.app.import_certificate(&visit.by, input, Precondition::None, Apply::Carefully).await {
        Ok(taken) => {
            visit.app.uploads().forget(&actor, &id);
            let certificate = &taken.view.certificate;
            let by = visit.may()?;
            let is_used =
                CertificateId::parse(&certificate.id).is_ok_and(|id| visit.app.uses_of_certificate(&by, &id).is_some());
            let said = match (taken.view.outcome, is_used) {
                (CertificateOutcome::Unchanged, _) => format!("{} has it already.", certificate.id),
                (CertificateOutcome::NewVersion, true) => {
                    format!("Version {} of {} is served.", certificate.version, certificate.id)
                }
                (_, true) => format!("Certificate {} is served.", certificate.id),
                (_, false) => format!("Certificate {} is stored. No site uses it yet.", certificate.id),
            };
            Ok(visit.done(&format!("/certificates/{}", certificate.id), said))
        }
        Err(error) if error.status().is_server_error() => Err(error),
        Err(error) => {
            let look = look(&visit, &id, &upload, over.as_deref(), &wanted, takes_expired).await?;
            let refused = Some(for_people(&answer::sentence(&error)));
            answer::with_status(error.status(), &page(&visit, over, Some(look), refused, false))
        }
    }
}

fn empty<R: Right>(visit: &Visit<R>, over: Option<String>, refused: Option<String>) -> ImportPage {
    page(visit, over, None, refused, true)
}

fn page<R: Right>(
    visit: &Visit<R>,
    over: Option<String>,
    look: Option<Look>,
    refused: Option<String>,
    pastes: bool,
) -> ImportPage {
    let files: Vec<&str> = look.iter().flat_map(|look| &look.files).map(|file| file.name.as_str()).collect();
    let targets = look.iter().flat_map(|look| &look.targets);
    let target = targets.into_iter().find(|target| target.is_chosen).map(|target| target.id.as_str());
    let target = target.or(over.as_deref()).filter(|id| !id.is_empty());
    let is_locked = look.as_ref().is_some_and(|look| look.is_locked);
    let takes_expired = look.as_ref().is_some_and(|look| look.takes_expired);
    let equivalents = equivalents::certificates::import(&files, target, is_locked, takes_expired);
    let frame = visit.frame(Nav::Certificates, "Import a certificate");
    ImportPage { frame, over, look, refused, pastes, equivalents }
}

fn input(upload: &Upload, replace: Option<String>, allow_expired: bool) -> CertificateImport {
    CertificateImport {
        files: upload.files.clone(),
        password: upload.password.clone(),
        name: None,
        replace,
        allow_expired,
    }
}

/// Looks at what was given as what is wanted; nobody having said, as a version of the certificate `over`, else of the
/// one that has the same names, else as a new one.
async fn look(
    visit: &Visit<right::CertificateChange>,
    id: &str,
    upload: &Upload,
    over: Option<&str>,
    wanted: &Wanted,
    takes_expired: bool,
) -> Result<Look, AppError> {
    let now = visit.app.now();
    let inspect = |replace: Option<&str>| {
        visit.app.inspect_certificate(&visit.by, input(upload, replace.map(str::to_owned), false))
    };
    let first = if *wanted == Wanted::Unsaid { over } else { wanted.id() };
    let mut inspection = inspect(first).await?;
    let usage = visit.app.certificate_usage(&visit.may()?);
    let mut targets = targets(&visit.app.served(), &usage, &inspection, over, wanted);
    if let Some(target) = targets.iter().find(|target| target.is_chosen && Some(target.id.as_str()) != first)
        && !target.id.is_empty()
    {
        inspection = inspect(Some(&target.id)).await?;
    }
    let taken = inspection.taken.as_ref();
    let is_present =
        taken.filter(|taken| taken.outcome == CertificateOutcome::Unchanged).map(|taken| taken.certificate.id.clone());
    if is_present.is_some() {
        targets.clear();
    }
    let leaf = leaf(&inspection);
    let end = leaf.and_then(|leaf| Timestamp::parse(&leaf.not_after).ok());
    let begin = leaf.and_then(|leaf| Timestamp::parse(&leaf.not_before).ok());
    let warning = visit.app.served().desired.settings.warning;
    let remind = end.zip(begin).map(|(end, begin)| end.minus(warning.lead(end.since(begin))));
    let checks = checks(&inspection, remind, now);
    let pieces: usize = inspection.files.iter().map(|file| file.pieces.len()).sum();
    let chain = pieces_of(&inspection, now);
    let refused = inspection.refusal.as_ref();
    let locked = locked(&inspection);
    Ok(Look {
        is_locked: locked.is_some() || inspection.files.iter().any(|file| file.opened),
        upload: id.to_owned(),
        tally: format!("{}, {}", counted(inspection.files.len(), "file"), counted(pieces, "piece")),
        files: inspection.files.iter().map(file_row).collect(),
        chain_class: chain::class(&chain),
        chain_says: says(&inspection),
        chain,
        sha256: leaf.map(|leaf| in_fours(&leaf.thumbprint)).unwrap_or_default(),
        sha1: leaf.map(|leaf| in_fours(&leaf.sha1)).unwrap_or_default(),
        checks_say: tally(&checks),
        checks,
        targets,
        refusal: refused.filter(|_| locked.is_none()).map(|refusal| for_people(&refusal.message)),
        password: locked.map(|(what, to_do)| format!("{what}. {to_do}")),
        is_out_of_time: refused.is_some_and(is_out_of_time),
        takes_expired,
        is_present,
    })
}

impl Wanted {
    /// Reads the field `as`, in which nothing is a new certificate.
    fn of(said: Option<&str>) -> Self {
        match said.map(str::trim) {
            None => Self::Unsaid,
            Some("") => Self::New,
            Some(id) => Self::VersionOf(id.to_owned()),
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::VersionOf(id) => Some(id),
            Self::Unsaid | Self::New => None,
        }
    }
}

fn is_out_of_time(refusal: &portward_api::RefusalView) -> bool {
    let refuses = |finding: &&portward_api::FindingView| finding.weight == portward_api::FindingWeight::Refuses;
    let dates = ["expired", "not-yet-valid", "issuer-expired"];
    let mut against = refusal.findings.iter().filter(refuses).peekable();
    against.peek().is_some() && against.all(|finding| dates.contains(&finding.code.as_str()))
}

fn says(inspection: &InspectionView) -> &'static str {
    match (&inspection.key, leaf(inspection).is_none(), &inspection.missing) {
        (_, true, _) => "no certificate yet",
        (None, ..) => "the private key is missing",
        (Some(key), ..) if !key.fits => "the private key does not fit",
        (_, _, Some(_)) => "an issuer is missing",
        _ => "complete",
    }
}

/// What it can be stored as: the certificates that were named, those with the same names, or a new one.
fn targets(
    served: &ServedState,
    usage: &Usage,
    inspection: &InspectionView,
    over: Option<&str>,
    wanted: &Wanted,
) -> Vec<Target> {
    let Some(leaf) = leaf(inspection) else { return Vec::new() };
    let mut targets: Vec<Target> = Vec::new();
    for stored in &served.desired.certificates {
        let certificate = &stored.value;
        let names: Vec<String> = match certificate.current_version() {
            Some(version) => version.facts.names.iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        let id = Some(certificate.id.as_str());
        let is_named = over == id || wanted.id() == id;
        let is_same = names.len() == leaf.names.len() && leaf.names.iter().all(|name| names.contains(name));
        if !is_named && (!is_same || names.is_empty() || targets.len() >= MOST_TARGETS) {
            continue;
        }
        let sites = usage.get(&certificate.id).map_or(0, |uses| uses.sites.len());
        let follow = match sites {
            0 => "No site uses it".to_owned(),
            1 => "1 site follows at once".to_owned(),
            sites => format!("{sites} sites follow at once"),
        };
        let number = certificate.next_number().0;
        let back =
            if number > 1 { format!(" Back to version {} is one click.", certificate.current) } else { String::new() };
        let managed =
            certificate.management.managed().map_or("", |_| " It is managed: Portward renews it when it is due.");
        targets.push(Target {
            id: certificate.id.to_string(),
            version: number,
            is_chosen: if *wanted == Wanted::Unsaid { over == id } else { wanted.id() == id },
            says: format!("{follow}.{back}{managed}"),
        });
    }
    if over.is_none()
        && *wanted == Wanted::Unsaid
        && let Some(first) = targets.first_mut()
    {
        first.is_chosen = true;
    }
    let is_new = !targets.iter().any(|target| target.is_chosen);
    let says = "Sites that choose by name use it at once; others when you choose it there.".to_owned();
    targets.push(Target { id: String::new(), version: 1, is_chosen: is_new, says });
    targets
}

fn file_row(file: &InspectedFileView) -> FileRow {
    let count = |kind: &str| file.pieces.iter().filter(|piece| piece.kind == kind).count();
    let kinds = [
        ("private-key", "private key"),
        ("certificate", "certificate"),
        ("intermediate", "intermediate"),
        ("root", "root"),
    ];
    let what: Vec<String> =
        kinds.iter().filter(|(kind, _)| count(kind) > 0).map(|(kind, noun)| counted(count(kind), noun)).collect();
    let (mark, remark) = remark(file);
    let what = if what.is_empty() { "nothing that can be used".to_owned() } else { what.join(", ") };
    FileRow { name: file.name.clone(), what, mark, remark }
}

fn remark(file: &InspectedFileView) -> (Mark, String) {
    if let Some(refusal) = &file.refusal {
        return (Mark::Bad, for_people(&refusal.message));
    }
    if !file.old_ciphers.is_empty() {
        let text =
            format!("Old encryption ({}). It was read; better not to keep this file.", file.old_ciphers.join(", "));
        return (Mark::Warn, text);
    }
    let has = |fate: &str| file.pieces.iter().any(|piece| piece.fate == fate);
    let uses = |kind: &str| file.pieces.iter().any(|piece| piece.fate == "used" && piece.kind == kind);
    let is_leaf = uses("private-key") || uses("certificate");
    match (has("used"), has("repeated"), has("unused")) {
        (true, true, false) if uses("root") && !is_leaf => {
            (Mark::Ok, "Root found; the same intermediate again, ignored".to_owned())
        }
        (true, false, false) if file.left_over.is_empty() => match (is_leaf, uses("root")) {
            (true, _) => (Mark::Ok, "Used".to_owned()),
            (false, true) => (Mark::Ok, "Root found".to_owned()),
            (false, false) => (Mark::Ok, "Completes the chain".to_owned()),
        },
        (true, false, false) => (Mark::Ok, format!("Used; not used: {}", file.left_over.join(", "))),
        (true, true, false) => (Mark::Ok, "Used; what another file has too is ignored".to_owned()),
        (true, _, true) => (Mark::Ok, "Used in part; the rest belongs to another chain".to_owned()),
        (false, true, _) => (Mark::Off, "Another file has it too, ignored".to_owned()),
        (false, false, true) => (Mark::Off, "Belongs to another chain, not used".to_owned()),
        (false, false, false) => (Mark::Off, "Not used".to_owned()),
    }
}

/// The chain as far as it goes.
fn pieces_of(inspection: &InspectionView, now: Timestamp) -> Vec<Piece> {
    let from = |file: &str| Some(format!("from {file}"));
    let mut pieces = vec![match &inspection.key {
        Some(key) => Piece {
            from: from(&key.file),
            ..Piece::key(key.key_type.clone(), vec!["Will be sealed in the store".to_owned()])
        },
        None => Piece { class: "unsent", ..Piece::key("missing".to_owned(), vec!["Nobody gave it yet".to_owned()]) },
    }];
    if leaf(inspection).is_none() {
        pieces.push(Piece {
            tie: Some(Tie::MISSING),
            kind: "Leaf",
            icon: "i-cert",
            class: "unsent",
            title: "missing".to_owned(),
            lines: vec!["Nobody gave it yet".to_owned()],
            strong: None,
            from: None,
        });
    }
    for certificate in &inspection.chain {
        pieces.push(piece_of(certificate, inspection, now));
    }
    if let Some(missing) = &inspection.missing {
        pieces.push(Piece::missing(&missing.subject, missing.url.as_deref()));
    }
    pieces
}

fn piece_of(certificate: &InspectedCertificateView, inspection: &InspectionView, now: Timestamp) -> Piece {
    let time = |text: &str| Timestamp::parse(text).unwrap_or(Timestamp::EPOCH);
    let (begin, end) = (time(&certificate.not_before), time(&certificate.not_after));
    let from = Some(format!("from {}", certificate.file));
    let strength = format!("{}, {}", certificate.key, hash(&certificate.signature));
    match certificate.role.as_str() {
        "leaf" => {
            let title = certificate.names.first().cloned().unwrap_or_else(|| common_name(&certificate.subject));
            let mut lines: Vec<String> = match certificate.names.len() {
                0 | 1 => Vec::new(),
                few @ 2..=4 => certificate.names[1..few].iter().map(|name| format!("and {name}")).collect(),
                many => vec![format!("and {} other names", many - 1)],
            };
            lines.push(format!("{} to {}", day(begin), day(end)));
            let strong = match now > end {
                true => format!("expired {} ago", span(now.since(end).as_secs())),
                false => format!("{} left", span(end.since(now).as_secs())),
            };
            let tie = match &inspection.key {
                Some(key) if key.fits => Tie::FITS,
                Some(_) => Tie::MISFIT,
                None => Tie::MISSING,
            };
            Piece {
                tie: Some(tie),
                kind: if certificate.self_signed { "Leaf, self-signed" } else { "Leaf" },
                icon: "i-cert",
                class: "leaf",
                title,
                lines,
                strong: Some(strong),
                from,
            }
        }
        role => {
            let is_root = role == "root";
            let mut lines = vec![format!("until {}", day(end)), strength];
            if is_root {
                lines = vec![format!("until {}", day(end)), "Clients have it: not sent".to_owned()];
            }
            Piece {
                tie: Some(Tie::SIGNED),
                kind: if is_root { "Root" } else { "Intermediate" },
                icon: "i-cert",
                class: if is_root { "unsent" } else { "" },
                title: common_name(&certificate.subject),
                lines,
                strong: None,
                from,
            }
        }
    }
}

/// More certificates with the same names are a mistake of somebody else's.
const MOST_TARGETS: usize = 3;
