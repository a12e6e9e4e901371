//! The file of `portward serve --config`: TOML with the names of the flags as its keys.

use std::{
    fs,
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use serde::Deserialize;

/// Holds what the file says; values are text as on the command line.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConfigFile {
    /// Relative to the directory of the file.
    pub(super) data_dir: Option<PathBuf>,
    pub(super) http: Option<Vec<String>>,
    pub(super) https: Option<Vec<String>>,
    pub(super) admin: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) workers: Option<NonZeroUsize>,
    /// Relative to the directory of the file, or `-`.
    pub(super) access_log: Option<PathBuf>,
    pub(super) access_log_format: Option<String>,
    pub(super) max_connections: Option<NonZeroUsize>,
    pub(super) max_connections_per_client: Option<usize>,
    pub(super) max_requests_per_client: Option<NonZeroU32>,
}

impl ConfigFile {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut config = Self::parse(&text).map_err(|error| anyhow!("{}, {error}", path.display()))?;
        if let (Some(data_dir), Some(directory)) = (&config.data_dir, path.parent()) {
            config.data_dir = Some(directory.join(data_dir));
        }
        if let (Some(log), Some(directory)) = (&config.access_log, path.parent())
            && log != Path::new("-")
        {
            config.access_log = Some(directory.join(log));
        }
        Ok(config)
    }

    /// Reads TOML; an error begins with its line.
    fn parse(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            anyhow!("line {line}: {}", error.message().replace('\n', ", "))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const WHOLE: &str = r#"
data-dir = "data"
http = ["0.0.0.0:80"]
https = ["0.0.0.0:443", "[::1]:8443"]
admin = "127.0.0.1:9000"
upstream = "http://127.0.0.1:3000"
workers = 2
access-log = "-"
access-log-format = "combined"
max-connections = 100
max-connections-per-client = 10
max-requests-per-client = 5
"#;

    #[test]
    fn every_flag_can_stand_in_the_file() {
        let config = ConfigFile::parse(WHOLE).unwrap();
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(
            config,
            ConfigFile {
                data_dir: Some("data".into()),
                http: texts(&["0.0.0.0:80"]),
                https: texts(&["0.0.0.0:443", "[::1]:8443"]),
                admin: Some("127.0.0.1:9000".to_owned()),
                upstream: Some("http://127.0.0.1:3000".to_owned()),
                workers: NonZeroUsize::new(2),
                access_log: Some("-".into()),
                access_log_format: Some("combined".to_owned()),
                max_connections: NonZeroUsize::new(100),
                max_connections_per_client: Some(10),
                max_requests_per_client: NonZeroU32::new(5),
            }
        );
        assert_eq!(ConfigFile::parse("").unwrap(), ConfigFile::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("workers = 2\n\nport = 80\n", "line 3: unknown field `port`, expected one of `data-dir`, `http`"),
            ("workers = 2\nworkers = 3\n", "line 2: duplicate key"),
            ("http = \"0.0.0.0:80\"\n", "line 1: invalid type: string \"0.0.0.0:80\", expected a sequence"),
            ("workers = 0\n", "line 1: invalid value: integer `0`, expected a nonzero usize"),
            ("\nadmin = \n", "line 2: "),
            ("[serve]\nworkers = 2\n", "line 1: unknown field `serve`"),
        ] {
            let error = ConfigFile::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text:?} gives {error:?}");
        }
    }

    #[test]
    fn no_prefix_of_a_file_breaks_the_reader() {
        for end in 0..=WHOLE.len() {
            // Each either reads or tells a line.
            if let Err(error) = ConfigFile::parse(&WHOLE[..end]) {
                assert!(error.to_string().starts_with("line "), "{error}");
            }
        }
    }

    #[test]
    fn a_relative_data_directory_is_beside_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("portward.toml");
        fs::write(&path, "data-dir = \"data\"\naccess-log = \"access.log\"").unwrap();
        let config = ConfigFile::read(&path).unwrap();
        assert_eq!(config.data_dir.unwrap(), directory.path().join("data"));
        assert_eq!(config.access_log.unwrap(), directory.path().join("access.log"));
        fs::write(&path, "data-dir = \"/data\"").unwrap();
        assert_eq!(ConfigFile::read(&path).unwrap().data_dir.unwrap(), Path::new("/data"));
        fs::write(&path, "\nnonsense = 1").unwrap();
        let error = ConfigFile::read(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}, line 2: unknown field", path.display())), "{error}");
    }
}
