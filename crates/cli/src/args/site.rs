//! `portward site`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{OutputArgs, SafetyArgs, ServerArgs};

/// Lists the commands about sites.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteCommand {
    /// List the sites
    #[command(after_help = LIST_EXAMPLES)]
    List(SiteListArgs),
    /// Show one site
    #[command(after_help = SHOW_EXAMPLES)]
    Show(SiteShowArgs),
    /// Serve an application, or the portal, for one or more host names
    #[command(after_help = ADD_EXAMPLES)]
    Add(SiteAddArgs),
    /// Change what is served for a site's names
    #[command(after_help = EDIT_EXAMPLES)]
    Edit(SiteEditArgs),
    /// Show what came to a site since the server began, and who came in the clear
    #[command(after_help = TRAFFIC_EXAMPLES)]
    Traffic(SiteShowArgs),
    /// Show how the upstreams of a site do, and what they have to do now
    #[command(after_help = UPSTREAMS_EXAMPLES)]
    Upstreams(SiteShowArgs),
    /// List what well-known applications want of their sites
    #[command(after_help = PRESETS_EXAMPLES)]
    Presets(SiteListArgs),
    /// Serve a site no more
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(SiteRemoveArgs),
}

/// Holds the words of `portward site list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SiteListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward site show`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SiteShowArgs {
    /// Id of the site, from `portward site list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward site add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SiteAddArgs {
    /// Host name, *.NAME for all names one label deep, or * for every name that no other site has
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// Settings that this application wants, where nothing else is said; see: portward site presets
    #[arg(long, value_name = "PRESET")]
    pub(crate) preset: Option<String>,
    #[command(flatten)]
    pub(crate) settings: SiteSettingArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward site edit`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SiteEditArgs {
    /// Id of the site, from `portward site list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Its host names from now on; repeat it for each
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: SiteSettingArgs,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward site remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SiteRemoveArgs {
    /// Id of the site, from `portward site list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Say what would break, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the settings that `add` and `edit` share.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct SiteSettingArgs {
    /// The application: http://HOST:PORT, https://HOST:PORT or unix:/PATH; repeat it to share the load.
    /// Or the word portal, for the portal and the API
    #[arg(long, value_name = "URL|portal")]
    pub(crate) upstream: Vec<String>,
    /// Which of several upstreams takes a request: each in turn, the one that answers the fewest now, or the
    /// one that answered this client before, told by a cookie
    #[arg(long, value_name = "round-robin|least-connections|sticky", help_heading = FORWARDING)]
    pub(crate) balance: Option<String>,
    /// What upstreams are asked for, by GET, to find out whether they are well: those that answer with 200 to
    /// 399. With the word none it is learnt from requests alone
    #[arg(long, value_name = "PATH|none", help_heading = FORWARDING)]
    pub(crate) health_path: Option<String>,
    /// Send the paths below PREFIX to another upstream; repeat it for each, and with the same PREFIX to share the
    /// load. Of those that fit, the longest PREFIX counts
    #[arg(long, value_name = "PREFIX=URL", help_heading = FORWARDING)]
    pub(crate) route: Vec<String>,
    /// Send all paths to the upstreams of the site
    #[arg(long, conflicts_with = "route", help_heading = FORWARDING)]
    pub(crate) no_routes: bool,
    /// Tell upstreams the client's address at the beginning of each connection, by the PROXY protocol; an
    /// application that does not expect that refuses every request
    #[arg(long, value_name = "off|v1|v2", help_heading = FORWARDING)]
    pub(crate) proxy_protocol: Option<String>,
    /// HTTP that upstreams are spoken to in: HTTP/1.1; HTTP/2, to http:// and unix: in the clear without asking
    /// (h2c, prior knowledge); or HTTP/2 where an https upstream agrees to it, else HTTP/1.1
    #[arg(long, value_name = "1|2|auto", help_heading = FORWARDING)]
    pub(crate) upstream_http: Option<String>,
    /// Which plain HTTP requests are sent to HTTPS: none, those of browsers, or all
    #[arg(long, value_enum, value_name = "off|browsers|all", hide_possible_values = true)]
    pub(crate) force_https: Option<ForceHttpsWord>,
    /// What browsers are told to remember, as in 180d or 1y,includeSubDomains,preload
    #[arg(long, value_name = "off|DURATION[,includeSubDomains][,preload]")]
    pub(crate) hsts: Option<String>,
    /// Certificate to present: that one, or the best one that has the name
    #[arg(long, value_name = "ID|auto")]
    pub(crate) certificate: Option<String>,
    /// Most that the body of a request may have
    #[arg(long, value_name = "SIZE|none", help_heading = LIMITS)]
    pub(crate) max_body: Option<String>,
    /// How long the application may take to begin its answer
    #[arg(long, value_name = "DURATION|default", help_heading = LIMITS)]
    pub(crate) response_timeout: Option<String>,
    /// How long nothing may come in a body or a WebSocket
    #[arg(long, value_name = "DURATION|default", help_heading = LIMITS)]
    pub(crate) idle_timeout: Option<String>,
    /// Header that each response has, in the place of the application's; repeat it for each
    #[arg(long, value_name = "NAME: VALUE", help_heading = HEADERS)]
    pub(crate) set_header: Vec<String>,
    /// Header that no response has; repeat it for each
    #[arg(long, value_name = "NAME", help_heading = HEADERS)]
    pub(crate) remove_header: Vec<String>,
    /// Let all response headers pass as they are
    #[arg(long, conflicts_with_all = ["set_header", "remove_header"], help_heading = HEADERS)]
    pub(crate) no_header_rules: bool,
    /// Accept certificates of https upstreams from these authorities (PEM), or again from those of this
    /// machine with the word system
    #[arg(long, value_name = "FILE", group = "trust", help_heading = "Which certificate an https upstream may have")]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Accept the one certificate with this SHA-256 thumbprint
    #[arg(long, value_name = "SHA256", group = "trust", help_heading = "Which certificate an https upstream may have")]
    pub(crate) upstream_pin: Option<String>,
    /// Accept any certificate: whoever stands between can read and change everything
    #[arg(long, group = "trust", help_heading = "Which certificate an https upstream may have")]
    pub(crate) danger_upstream_insecure: bool,
}

/// Lists the words of `--force-https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ForceHttpsWord {
    /// None.
    Off,
    /// Navigations of browsers.
    Browsers,
    /// All.
    All,
}

const FORWARDING: &str = "How requests reach the upstreams";
const LIMITS: &str = "What one request may take";
const HEADERS: &str = "What becomes of response headers";

const LIST_EXAMPLES: &str = "\
Examples:
  portward site list
  portward site list -o json";

const SHOW_EXAMPLES: &str = "\
Example:
  portward site show ID";

const ADD_EXAMPLES: &str = "\
Examples:
  portward site add shop.example --upstream http://127.0.0.1:3000
  portward site add ci.example --preset teamcity
  portward site add '*.apps.example' \\
      --upstream http://10.0.0.5:8080 --upstream http://10.0.0.6:8080 \\
      --balance least-connections --health-path /health
  portward site add app.example --upstream unix:/run/app.sock \\
      --route /api=http://127.0.0.1:8081
  portward site add wiki.example --force-https browsers --hsts 180d \\
      --upstream https://10.0.0.7:8443 --upstream-ca ca.pem
  portward site add portward.example --upstream portal";

const EDIT_EXAMPLES: &str = "\
Settings that are not named stay as they are; --name replaces all names,
--upstream all upstreams, --route all routes, --set-header and --remove-header
all header rules.

Examples:
  portward site edit ID --force-https all --hsts 1y
  portward site edit ID --upstream http://127.0.0.1:4000
  portward site edit ID --name shop.example --name www.shop.example
  portward site edit ID --balance sticky --health-path none --no-routes
  portward site edit ID --certificate auto
  portward site edit ID --max-body 10GiB --response-timeout 20m
  portward site edit ID --set-header 'X-Frame-Options: DENY' \\
      --remove-header Server";

const TRAFFIC_EXAMPLES: &str = "\
Example:
  portward site traffic ID";

const UPSTREAMS_EXAMPLES: &str = "\
Example:
  portward site upstreams ID";

const PRESETS_EXAMPLES: &str = "\
Examples:
  portward site presets
  portward site presets -o json";

const REMOVE_EXAMPLES: &str = "\
Example:
  portward site remove ID";
