//! The rehearsal of force HTTPS and HSTS: who came in the clear, and who would be locked out.

use portward_core::{HostPattern, Hsts, Site, Timestamp};
use portward_proxy::TrafficView;

use super::{
    super::{
        standing::Standing,
        view::{Mark, day, grouped, time_of_day},
    },
    tab::ports,
};
use crate::served::ServedState;

/// Is what is known of what a change would do.
pub(super) struct Rehearsal {
    /// Who came in the clear, in a sentence.
    pub(super) plain: String,
    /// What each mode of force HTTPS means for them.
    pub(super) off: String,
    pub(super) browsers: String,
    pub(super) all: String,
    /// What HSTS would do, in a sentence.
    pub(super) mark: Mark,
    pub(super) verdict: String,
    pub(super) checks: Vec<Check>,
}

/// Is one thing that was looked at.
pub(super) struct Check {
    pub(super) mark: Mark,
    pub(super) label: &'static str,
    pub(super) what: String,
    pub(super) why: String,
}

impl Rehearsal {
    pub(super) fn of(site: &Site, standing: &Standing, served: &ServedState, traffic: Option<&TrafficView>) -> Self {
        let unseen = TrafficView::default();
        let traffic = traffic.unwrap_or(&unseen);
        let others = traffic.http.saturating_sub(traffic.http_browsers);
        let since = traffic.since.map(since).unwrap_or_default();
        let plain = match traffic.http {
            0 => format!("What plain HTTP gets. Nobody came over HTTP{since}."),
            all => format!(
                "What plain HTTP gets.{}: {} over HTTP, {} from browsers, {} from others.",
                sentence_start(&since),
                requests(all),
                grouped(traffic.http_browsers),
                grouped(others)
            ),
        };
        let programs: Vec<&str> = traffic
            .plain_clients
            .iter()
            .filter(|client| !client.is_browser)
            .map(|client| client.family.as_str())
            .take(NAMED)
            .collect();
        let all = match (others, programs.as_slice()) {
            (0, _) => "Everybody gets a 308. No program was seen over HTTP, so none would fail.".to_owned(),
            (count, []) => format!(
                "Everybody gets a 308. {} came from programs; those that do not follow it fail.",
                requests(count)
            ),
            (count, programs) => format!(
                "Everybody gets a 308. {} came from programs, lately {}; those that do not follow it fail.",
                requests(count),
                programs.join(", ")
            ),
        };
        let checks = checks(site, standing, served, traffic);
        let bad = checks.iter().filter(|check| check.mark == Mark::Bad).count();
        let (mark, verdict) = match bad {
            0 if traffic.requests() == 0 => {
                (Mark::Unknown, "Nothing stands against it, and nobody has come yet.".to_owned())
            }
            0 if checks.iter().any(|check| check.mark == Mark::Warn) => (
                Mark::Warn,
                format!("Nobody who came{since} would be locked out, if what is marked is as it should be."),
            ),
            0 => (Mark::Ok, format!("Nobody who came{since} would be locked out.")),
            1 => (Mark::Bad, "Browsers that remember would be locked out, for one reason.".to_owned()),
            count => (Mark::Bad, format!("Browsers that remember would be locked out, for {count} reasons.")),
        };
        Self {
            plain,
            off: "HTTP and HTTPS both answer. The least safe.".to_owned(),
            browsers: "Browsers are redirected. Agents and scripts may go on over HTTP.".to_owned(),
            all,
            mark,
            verdict,
            checks,
        }
    }
}

/// Looks at everything that locks a browser out which remembers to come over HTTPS alone (RFC 6797 section 8).
fn checks(site: &Site, standing: &Standing, served: &ServedState, traffic: &TrafficView) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut check = |mark, what: String, why: String| {
        let label = match mark {
            Mark::Bad => "locks out",
            Mark::Warn => "look at it",
            _ => "passed",
        };
        checks.push(Check { mark, label, what, why });
    };
    for named in standing.names.iter().filter(|named| named.mark >= Mark::Warn && named.word != "Expires soon") {
        let why = match named.word {
            "Self-signed" => {
                "has a self-signed certificate; a browser that remembers lets nobody click past the warning"
            }
            "Expired" => "has a certificate that expired",
            "Not valid yet" => "has a certificate that is not valid yet",
            _ => "has no certificate of its own",
        };
        check(Mark::Bad, named.name.clone(), why.to_owned());
    }
    if standing.is_believed() {
        check(Mark::Ok, "Certificate".to_owned(), "in force for every name, and signed by an authority".to_owned());
    }
    let ports = ports(served);
    match (ports.https.contains(&443), ports.https.first()) {
        (true, _) => check(Mark::Ok, "Port 443".to_owned(), "answers; browsers go there from port 80".to_owned()),
        (false, Some(port)) => check(
            Mark::Warn,
            "Port 443".to_owned(),
            format!(
                "is not bound here: browsers that remember go from port 80 to 443, not to {port}. It is well if 443 is forwarded to {port}"
            ),
        ),
        (false, None) => check(Mark::Bad, "HTTPS".to_owned(), "has no binding".to_owned()),
    }
    let odd: Vec<String> =
        ports.http.iter().filter(|port| **port != 80 && !ports.https.contains(port)).map(ToString::to_string).collect();
    if !odd.is_empty() && ports.https.contains(&443) {
        check(
            Mark::Warn,
            format!("http at port {}", odd.join(", ")),
            "speaks no TLS; browsers that remember try TLS at the port of the address".to_owned(),
        );
    }
    match traffic.http_browsers {
        0 => check(Mark::Ok, "Browsers over HTTP".to_owned(), "none was seen".to_owned()),
        count => check(
            Mark::Ok,
            "Browsers over HTTP".to_owned(),
            format!("made {}; they would come over HTTPS by themselves", requests(count)),
        ),
    }
    let others = traffic.http.saturating_sub(traffic.http_browsers);
    if others > 0 {
        check(Mark::Ok, "Programs over HTTP".to_owned(), format!("made {}; they do not keep HSTS", requests(others)));
    }
    let below = below(site, served);
    if !below.is_empty() {
        let is_asked = matches!(site.hsts, Hsts::On { include_subdomains: true, .. });
        let (mark, why) = if is_asked {
            (Mark::Warn, "are below this name, and includeSubDomains holds for them and for every other host below it")
        } else {
            (Mark::Ok, "are below this name; includeSubDomains would hold for them too")
        };
        check(mark, below.join(", "), why.to_owned());
    }
    checks
}

/// Names of other sites that are below one of this site's.
fn below(site: &Site, served: &ServedState) -> Vec<String> {
    let parents: Vec<String> =
        site.names.iter().filter(|name| matches!(name, HostPattern::Exact(_))).map(|name| format!(".{name}")).collect();
    let others = served.desired.sites.iter().filter(|stored| stored.value.id != site.id);
    let names = others.flat_map(|stored| stored.value.names.iter().map(ToString::to_string));
    names.filter(|name| parents.iter().any(|parent| name.ends_with(parent))).take(NAMED).collect()
}

fn since(at: Timestamp) -> String {
    let time = time_of_day(at);
    format!(" since {}, {} UTC", day(at), time.get(..5).unwrap_or(&time))
}

fn sentence_start(since: &str) -> String {
    since.replacen(" since", " Since", 1)
}

fn requests(count: u64) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{} requests", grouped(count)) }
}

/// As many as a sentence can hold.
const NAMED: usize = 4;
