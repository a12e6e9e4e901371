//! What was looked at before an import, each with its mark and what to do.

use portward_api::{FindingView, InspectedCertificateView, InspectionView};
use portward_core::Timestamp;

use super::super::{
    certificates::common_name,
    for_people,
    view::{Mark, counted, day, sentence_case, span},
};

/// Is one thing that was looked at.
pub(super) struct Check {
    pub(super) mark: Mark,
    pub(super) label: &'static str,
    pub(super) text: String,
    /// What there is to know beside it.
    pub(super) beside: String,
}

/// What was looked at, in the order of a look.
pub(super) fn checks(inspection: &InspectionView, remind: Option<Timestamp>, now: Timestamp) -> Vec<Check> {
    let found = findings(inspection);
    let mut checks = Vec::new();
    checks.extend(password(inspection));
    checks.push(key(inspection));
    if let Some(leaf) = leaf(inspection) {
        let strength = format!("{}, {}", leaf.key, hash(&leaf.signature));
        checks.extend(judged(&found, &["expired", "not-yet-valid"], "Valid now", left(leaf, now)));
        if was_judged(inspection) {
            checks.extend(judged(
                &found,
                &["weak-signature", "weak-issuer-key"],
                "Key and signature are strong",
                strength,
            ));
            let server = ["not-for-servers", "ca-as-leaf"];
            checks.extend(judged(&found, &server, "May be used for a server", String::new()));
            let names = counted(leaf.names.len(), "name");
            checks.extend(judged(&found, &["no-names"], "Has names that browsers compare", names));
        }
        checks.extend(chain(inspection, &found));
    }
    if was_judged(inspection) {
        let taken = inspection.taken.as_ref();
        let is_successor = taken.is_some_and(|taken| taken.certificate.version > 1);
        let names = ["name-not-covered", "name-lost"];
        if is_successor || found.iter().any(|finding| names.contains(&finding.code.as_str())) {
            let covers = "Covers the names of the sites that follow it";
            checks.extend(judged(&found, &names, covers, String::new()));
        }
        if let (Some(remind), Some(_)) = (remind, taken) {
            checks.push(Check {
                mark: Mark::Warn,
                label: "remark",
                text: "Nobody renews it by itself".to_owned(),
                beside: format!("you are reminded on {}", day(remind)),
            });
        }
    }
    checks
}

/// The leaf, if somebody gave it.
pub(super) fn leaf(inspection: &InspectionView) -> Option<&InspectedCertificateView> {
    inspection.chain.first().filter(|certificate| certificate.role == "leaf")
}

/// The hash of a signature, as in "SHA-256" of "ECDSA with SHA-256".
pub(super) fn hash(signature: &str) -> &str {
    signature.rsplit_once(" with ").map_or(signature, |(_, hash)| hash)
}

/// "8 passed, 1 remark".
pub(super) fn tally(checks: &[Check]) -> String {
    let count = |mark: Mark| checks.iter().filter(|check| check.mark == mark).count();
    let mut parts = vec![format!("{} passed", count(Mark::Ok))];
    if count(Mark::Warn) > 0 {
        parts.push(counted(count(Mark::Warn), "remark"));
    }
    if count(Mark::Bad) > 0 {
        parts.push(format!("{} failed", count(Mark::Bad)));
    }
    parts.join(", ")
}

/// A message with fields in place of flags; that nothing was imported is clear before anything is.
pub(super) fn for_people(message: &str) -> String {
    let text = for_people::for_people(message);
    sentence_case(text.trim_end_matches(" Nothing was imported."))
}

/// Whether the certificate could be read whole, so that it was judged.
fn was_judged(inspection: &InspectionView) -> bool {
    inspection.taken.is_some()
        || inspection
            .refusal
            .as_ref()
            .is_some_and(|refusal| !refusal.findings.is_empty() || refusal.code == "already-there")
}

fn findings(inspection: &InspectionView) -> Vec<&FindingView> {
    let taken = inspection.taken.iter().flat_map(|taken| &taken.findings);
    taken.chain(inspection.refusal.iter().flat_map(|refusal| &refusal.findings)).collect()
}

fn judged(found: &[&FindingView], codes: &[&str], passed: &str, beside: String) -> Vec<Check> {
    let hits = found.iter().filter(|finding| codes.contains(&finding.code.as_str()));
    let check = |finding: &&FindingView| {
        let (mark, label) = match finding.weight {
            portward_api::FindingWeight::Refuses => (Mark::Bad, "failed"),
            portward_api::FindingWeight::Warns => (Mark::Warn, "remark"),
        };
        Check { mark, label, text: for_people(&finding.message), beside: String::new() }
    };
    let failed: Vec<Check> = hits.map(check).collect();
    if failed.is_empty() {
        vec![Check { mark: Mark::Ok, label: "passed", text: passed.to_owned(), beside }]
    } else {
        failed
    }
}

/// The file that a password is to open, and how it is asked for; none if all are open.
pub(super) fn locked(inspection: &InspectionView) -> Option<(String, &'static str)> {
    let refused = |code: &str| {
        let mut refusals = inspection.files.iter().filter_map(|file| Some((file, file.refusal.as_ref()?)));
        refusals.find(|(_, refusal)| refusal.code == code).map(|(file, _)| file.name.clone())
    };
    if let Some(file) = refused("password-needed") {
        return Some((format!("{file} is protected by a password"), "Type it, and Portward looks inside."));
    }
    let file = refused("wrong-password")?;
    Some((format!("The password does not open {file}"), "Capitals count, and so does a space that was copied along."))
}

fn password(inspection: &InspectionView) -> Option<Check> {
    if let Some((text, beside)) = locked(inspection) {
        return Some(Check { mark: Mark::Bad, label: "failed", text, beside: beside.to_owned() });
    }
    let opened: Vec<&str> = inspection.files.iter().filter(|file| file.opened).map(|file| file.name.as_str()).collect();
    (!opened.is_empty()).then(|| Check {
        mark: Mark::Ok,
        label: "passed",
        text: format!("The password opens {}", opened.join(", ")),
        beside: String::new(),
    })
}

fn key(inspection: &InspectionView) -> Check {
    match &inspection.key {
        Some(key) if key.fits => Check {
            mark: Mark::Ok,
            label: "passed",
            text: "The private key fits the leaf".to_owned(),
            beside: key.key_type.clone(),
        },
        Some(key) => Check {
            mark: Mark::Bad,
            label: "failed",
            text: format!("The private key in {} does not fit", key.file),
            beside: "give the key that the certificate was requested with".to_owned(),
        },
        None => Check {
            mark: Mark::Bad,
            label: "failed",
            text: "There is no private key yet".to_owned(),
            beside: "often a file .key or privkey.pem, or a PFX that was exported with its key".to_owned(),
        },
    }
}

fn chain(inspection: &InspectionView, found: &[&FindingView]) -> Vec<Check> {
    if let Some(missing) = &inspection.missing {
        let beside = match &missing.url {
            Some(url) => format!("the authority publishes it at {url}"),
            None => "add it: your authority publishes it, often as “intermediate” or “bundle”".to_owned(),
        };
        let text = format!("The certificate of {} is missing", common_name(&missing.subject));
        return vec![Check { mark: Mark::Bad, label: "failed", text, beside }];
    }
    let is_alone = inspection.chain.len() == 1;
    let passed = if is_alone { "It is signed by its own key" } else { "The chain is complete and in order" };
    let beside = if is_alone { "clients must be told to trust it".to_owned() } else { String::new() };
    judged(found, &["issuer-expired"], passed, beside)
}

fn left(leaf: &InspectedCertificateView, now: Timestamp) -> String {
    let (Ok(from), Ok(end)) = (Timestamp::parse(&leaf.not_before), Timestamp::parse(&leaf.not_after)) else {
        return String::new();
    };
    format!("since {}, {} left", span(now.since(from).as_secs()), span(end.since(now).as_secs()))
}
