//! `portward serve`.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use clap::Args as ClapArgs;

/// Holds the words of `portward serve`.
#[derive(Debug, Default, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Directory for all that is kept, made if it is missing [env: PORTWARD_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// TOML file with the keys data-dir, http, https, admin, upstream, workers, access-log,
    /// access-log-format and max-...; flags win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Plain HTTP.
    #[arg(long, value_name = "ADDR:PORT", help = HTTP_HELP)]
    pub(crate) http: Vec<String>,
    /// HTTPS.
    #[arg(long, value_name = "ADDR:PORT", help = HTTPS_HELP)]
    pub(crate) https: Vec<String>,
    /// Loopback address of the admin listener, with /healthz and /readyz [default: 127.0.0.1:8442]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin: Option<String>,
    /// At the first start: forward every request to the application there
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// Threads that serve requests [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Write a line for each request to that file, or to stdout; SIGHUP opens the file anew
    #[arg(long, value_name = "FILE|-")]
    pub(crate) access_log: Option<PathBuf>,
    /// How its lines look [default: json]
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "combined"])]
    pub(crate) access_log_format: Option<String>,
    /// Open connections of all clients; further ones are answered with 503, or closed on https [default: 50000]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Open connections of one client address, or IPv6 /64; 0 for no limit; this machine has none [default: 4000]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections_per_client: Option<usize>,
    /// Requests a second of such a client, ten times as many at once; others get 429 [default: no limit]
    #[arg(long, value_name = "N")]
    pub(crate) max_requests_per_client: Option<NonZeroU32>,
}

// As doc comments, rustdoc would take the brackets for links.
const HTTP_HELP: &str = "At the first start: accept plain HTTP there [default: [::]:8080, and [::]:80 where permitted]";
const HTTPS_HELP: &str = "At the first start: accept HTTPS there [default: [::]:8443, and [::]:443 where permitted]";

const EXAMPLES: &str = "\
Prints one line to stdout when everything is bound:
  ready http://[::]:8080 https://[::]:8443 admin http://127.0.0.1:8442

While the server has no owner, a second line has the link by which one comes,
from other machines and from this one, and the thumbprint of the certificate
that a browser sees there. The file setup-link in the data directory has the
link too.

--http, --https and --upstream fill an empty store. Later they are refused if
the store says otherwise: change bindings and sites while it serves, with
`portward binding` and `portward site`.

SIGTERM and SIGINT let the requests in progress finish; a second one ends them.

The log goes to stderr. PORTWARD_LOG (or RUST_LOG) filters it, as in
info,portward_proxy=debug; PORTWARD_LOG_FORMAT=json writes it as JSON.

Examples:
  portward serve --data-dir ./portward-data --upstream http://127.0.0.1:3000
  portward serve --data-dir /var/lib/portward --http 0.0.0.0:80
  portward serve --config /etc/portward.toml";
