//! What the server runs with: flags, then the file, then the environment, then what is usual.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use portward_core::Upstream;
use portward_server::{AccessLogFormat, AccessLogTarget, Limits};

use super::config_file::ConfigFile;
use crate::{args::ServeArgs, failure::Failure};

/// Holds what the server runs with, in types.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    /// Directory for all that is kept.
    pub(super) data_dir: PathBuf,
    /// Bindings of the first start; none for what the server chooses.
    pub(super) http: Option<Vec<SocketAddr>>,
    /// Bindings of the first start; none for what the server chooses.
    pub(super) https: Option<Vec<SocketAddr>>,
    /// The admin listener.
    pub(super) admin: SocketAddr,
    /// The application behind the site of the first start.
    pub(super) upstream: Option<Upstream>,
    /// Threads that serve requests.
    pub(super) workers: NonZeroUsize,
    /// Where each request is written down, and how.
    pub(super) access_log: Option<(AccessLogTarget, AccessLogFormat)>,
    /// Time-outs and limits of the data plane.
    pub(super) limits: Limits,
}

impl Options {
    /// Puts the sources together; a flag that makes no sense is usage, a line of the file is configuration.
    pub(super) fn resolve(
        args: ServeArgs,
        file: Option<ConfigFile>,
        variable: Option<PathBuf>,
        cores: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let file = file.unwrap_or_default();
        let data_dir = args.data_dir.or(file.data_dir).or(variable).ok_or_else(|| {
            Failure::usage(anyhow!(
                "no data directory was named; give --data-dir DIR, data-dir in the configuration file, or PORTWARD_DATA_DIR"
            ))
        })?;
        let http = choose(Some(args.http).filter(|http| !http.is_empty()), file.http, "http", addresses)?;
        let https = choose(Some(args.https).filter(|https| !https.is_empty()), file.https, "https", addresses)?;
        let admin = choose(args.admin, file.admin, "admin", |text| address(&text))?.unwrap_or(ADMIN);
        let upstream = choose(args.upstream, file.upstream, "upstream", |url| Ok(Upstream::parse(&url)?))?;
        let workers = args.workers.or(file.workers).unwrap_or(cores);
        let format = choose(args.access_log_format, file.access_log_format, "access-log-format", |text| format(&text))?;
        let access_log = args.access_log.or(file.access_log);
        if access_log.is_none() && format.is_some() {
            return Err(Failure::usage(anyhow!(
                "there is no access log to have a format; give --access-log FILE, or - for stdout"
            )));
        }
        let access_log = access_log.map(|to| (target(to), format.unwrap_or_default()));
        let mut limits = Limits::default();
        if let Some(most) = args.max_connections.or(file.max_connections) {
            limits.connections = most.get();
        }
        if let Some(most) = args.max_connections_per_client.or(file.max_connections_per_client) {
            limits.connections_of_client = Some(most).filter(|most| *most > 0);
        }
        limits.requests_of_client = args.max_requests_per_client.or(file.max_requests_per_client);
        Ok(Self { data_dir, http, https, admin, upstream, workers, access_log, limits })
    }
}

/// Takes the flag, else the key of the file, and reads it.
fn choose<W, T>(
    flag: Option<W>,
    key: Option<W>,
    name: &str,
    read: impl Fn(W) -> anyhow::Result<T>,
) -> Result<Option<T>, Failure> {
    match (flag, key) {
        (Some(words), _) => read(words).with_context(|| format!("--{name}")).map(Some).map_err(Failure::usage),
        (None, Some(words)) => {
            let value = read(words).with_context(|| format!("{name} in the configuration file"));
            value.map(Some).map_err(Failure::configuration)
        }
        (None, None) => Ok(None),
    }
}

fn addresses(texts: Vec<String>) -> anyhow::Result<Vec<SocketAddr>> {
    texts.iter().map(|text| address(text)).collect()
}

/// Reads `ADDR:PORT`; port 0 is one that the system chooses.
fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().map_err(|_| {
        anyhow!("\"{text}\" is not ADDR:PORT with an IP address, as in 0.0.0.0:443, [::]:443 or 127.0.0.1:8443")
    })
}

fn target(path: PathBuf) -> AccessLogTarget {
    if path == Path::new("-") { AccessLogTarget::Stdout } else { AccessLogTarget::File(path) }
}

fn format(text: &str) -> anyhow::Result<AccessLogFormat> {
    match text {
        "json" => Ok(AccessLogFormat::Json),
        "combined" => Ok(AccessLogFormat::Combined),
        other => Err(anyhow!("\"{other}\" is neither json nor combined")),
    }
}

/// Reached from this machine alone; the port stands beside those of the first start's bindings.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8442);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::num::NonZeroU32;

    use super::*;
    use crate::exit::Exit;

    const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

    fn resolve(args: ServeArgs, file: Option<ConfigFile>) -> Result<Options, Failure> {
        Options::resolve(args, file, Some("/variable".into()), FOUR)
    }

    #[test]
    fn what_is_not_named_is_usual() {
        let expected = Options {
            data_dir: "/variable".into(),
            http: None,
            https: None,
            admin: "127.0.0.1:8442".parse().unwrap(),
            upstream: None,
            workers: FOUR,
            access_log: None,
            limits: Limits::default(),
        };
        assert_eq!(resolve(ServeArgs::default(), None).unwrap(), expected);
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_environment() {
        let file = || ConfigFile {
            data_dir: Some("/file".into()),
            http: Some(vec!["127.0.0.1:1".to_owned()]),
            https: Some(vec!["127.0.0.1:2".to_owned()]),
            admin: Some("127.0.0.1:3".to_owned()),
            upstream: Some("http://file.test:1".to_owned()),
            workers: NonZeroUsize::new(1),
            access_log: Some("/file.log".into()),
            access_log_format: Some("combined".to_owned()),
            max_connections: NonZeroUsize::new(100),
            max_connections_per_client: Some(10),
            max_requests_per_client: NonZeroU32::new(5),
        };
        let of_file = resolve(ServeArgs::default(), Some(file())).unwrap();
        assert_eq!(of_file.data_dir, PathBuf::from("/file"));
        assert_eq!(of_file.http.unwrap(), ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(of_file.https.unwrap(), ["127.0.0.1:2".parse().unwrap()]);
        assert_eq!(of_file.admin, "127.0.0.1:3".parse().unwrap());
        assert_eq!(of_file.upstream.unwrap().to_string(), "http://file.test:1");
        assert_eq!(of_file.workers.get(), 1);
        let file_log = AccessLogTarget::File("/file.log".into());
        assert_eq!(of_file.access_log, Some((file_log, AccessLogFormat::Combined)));
        let limits = &of_file.limits;
        assert_eq!((limits.connections, limits.connections_of_client), (100, Some(10)));
        assert_eq!(limits.requests_of_client, NonZeroU32::new(5));

        let args = ServeArgs {
            data_dir: Some("/flag".into()),
            config: None,
            http: vec!["[::1]:11".to_owned(), "[::1]:12".to_owned()],
            https: vec!["[::1]:13".to_owned()],
            admin: Some("[::1]:14".to_owned()),
            upstream: Some("https://flag.test".to_owned()),
            workers: NonZeroUsize::new(9),
            access_log: Some("-".into()),
            access_log_format: Some("json".to_owned()),
            max_connections: None,
            max_connections_per_client: Some(0),
            max_requests_per_client: None,
        };
        let of_flags = resolve(args, Some(file())).unwrap();
        assert_eq!(of_flags.data_dir, PathBuf::from("/flag"));
        assert_eq!(of_flags.http.unwrap(), ["[::1]:11".parse().unwrap(), "[::1]:12".parse().unwrap()]);
        assert_eq!(of_flags.https.unwrap(), ["[::1]:13".parse().unwrap()]);
        assert_eq!(of_flags.admin, "[::1]:14".parse().unwrap());
        assert_eq!(of_flags.upstream.unwrap().to_string(), "https://flag.test:443");
        assert_eq!(of_flags.workers.get(), 9);
        assert_eq!(of_flags.access_log, Some((AccessLogTarget::Stdout, AccessLogFormat::Json)));
        assert_eq!((of_flags.limits.connections, of_flags.limits.connections_of_client), (100, None));
    }

    #[test]
    fn a_bad_flag_is_usage_and_a_bad_key_is_configuration() {
        let flags = ServeArgs { https: vec!["localhost:8443".to_owned()], ..ServeArgs::default() };
        let failure = resolve(flags, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        let text = failure.to_string();
        assert!(text.starts_with("portward: --https: \"localhost:8443\" is not ADDR:PORT"), "{text}");

        let file = ConfigFile { upstream: Some("shop".to_owned()), ..ConfigFile::default() };
        let failure = resolve(ServeArgs::default(), Some(file)).unwrap_err();
        assert_eq!(failure.exit, Exit::Configuration);
        let text = failure.to_string();
        assert!(text.starts_with("portward: upstream in the configuration file: \"shop\" does not begin"), "{text}");
    }

    #[test]
    fn serving_needs_a_data_directory() {
        let failure = Options::resolve(ServeArgs::default(), None, None, FOUR).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("--data-dir"), "{failure}");
    }
}
