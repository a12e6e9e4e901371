//! URLs of ACME directories, and how the programs shorten them.

use portward_core::acme::Issuer;

/// Directories that are well known, as `https` URLs.
const KNOWN: &[&str] = &[
    Issuer::LETS_ENCRYPT,
    Issuer::LETS_ENCRYPT_STAGING,
    "https://acme.zerossl.com/v2/DV90",
    "https://dv.acme-v02.api.pki.goog/directory",
    "https://dv.acme-v02.test-api.pki.goog/directory",
    "https://acme.ssl.com/sslcom-dv-rsa",
    "https://acme.ssl.com/sslcom-dv-ecc",
    "https://acme-api.actalis.com/acme/directory",
    "https://api.buypass.com/acme/directory",
    "https://api.test4.buypass.no/acme/directory",
];

/// Host of the first protocol's server, which is no more; its accounts and settings are good for the second's.
const LETS_ENCRYPT_V1: &str = "acme-v01.api.letsencrypt.org";
const LETS_ENCRYPT_STAGING_V1: &str = "acme-staging.api.letsencrypt.org";

/// Longest URL that is taken.
const MAX_URL: usize = 1000;

/// Takes an URL if it is one over https, without user and with nothing odd in it.
pub(super) fn https_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://")?;
    let is_usual = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}@".contains(&byte);
    let usual = text.len() <= MAX_URL && text.bytes().all(is_usual) && !host_of(rest).is_empty();
    usual.then(|| text.to_owned())
}

/// Takes the URL of a directory; that of a server which is no more becomes that of the one after it.
pub(super) fn directory_url(text: &str) -> Option<String> {
    let url = https_url(text)?;
    Some(match host(&url) {
        LETS_ENCRYPT_V1 => Issuer::LETS_ENCRYPT.to_owned(),
        LETS_ENCRYPT_STAGING_V1 => Issuer::LETS_ENCRYPT_STAGING.to_owned(),
        _ => url,
    })
}

/// The directory whose host and path are these, among the ones that are known and those that were seen.
pub(super) fn of_path(path: &str, seen: &[String]) -> Option<String> {
    let same = |url: &&str| without_port(url).eq_ignore_ascii_case(path.trim_end_matches('/'));
    let all = || seen.iter().map(String::as_str).chain(KNOWN.iter().copied());
    all().find(same).map(str::to_owned).or_else(|| {
        let mut of_host = all().filter(|url| host(url).eq_ignore_ascii_case(path));
        let first = of_host.next()?;
        of_host.all(|other| other == first).then(|| first.to_owned())
    })
}

/// The directory that Caddy has this key for: host and path with hyphens (`issuerKey` of certmagic).
pub(super) fn of_caddy_key(key: &str, seen: &[String]) -> Option<String> {
    seen.iter().map(String::as_str).chain(KNOWN.iter().copied()).find(|url| caddy_key(url) == key).map(str::to_owned)
}

/// The directory of the CA that an account's or a certificate's URL belongs to, where its host says it.
pub(super) fn of_resource(url: &str) -> Option<String> {
    let url = https_url(url)?;
    let mut of_host = KNOWN.iter().copied().filter(|known| host(known) == host(&url));
    let first = of_host.next()?;
    match of_host.next() {
        None => Some(first.to_owned()),
        // SSL.com has one directory for each kind of key, and both URLs begin alike.
        Some(_) => KNOWN.iter().find(|known| url.starts_with(**known)).map(|known| (*known).to_owned()),
    }
}

/// Whether the URL is that of a well-known directory, whose own certificate every machine trusts.
pub fn is_known(directory: &str) -> bool {
    KNOWN.contains(&directory)
}

/// Whether nobody trusts the certificates of that directory.
pub(super) fn is_staging(directory: &str) -> bool {
    directory == Issuer::LETS_ENCRYPT_STAGING
        || host(directory).contains(".test-api.")
        || host(directory).contains(".test4.")
}

/// Host, and port if there is one, of an https URL.
pub(super) fn host(url: &str) -> &str {
    host_of(url.strip_prefix("https://").unwrap_or_default())
}

fn host_of(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn without_port(url: &str) -> String {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    let host = host_of(rest);
    let name = host.split(':').next().unwrap_or_default();
    format!("{name}{}", rest.get(host.len()..).unwrap_or_default().trim_end_matches('/'))
}

fn caddy_key(url: &str) -> String {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    rest.trim_end_matches('/').to_lowercase().replace(['/', ':'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_found_by_what_the_programs_keep_of_them() {
        let seen = ["https://ca.test:14000/dir".to_owned()];
        for (path, expected) in [
            ("acme-v02.api.letsencrypt.org/directory", Some(Issuer::LETS_ENCRYPT)),
            ("acme-v02.api.letsencrypt.org", Some(Issuer::LETS_ENCRYPT)),
            ("acme.zerossl.com/v2/DV90", Some("https://acme.zerossl.com/v2/DV90")),
            ("ca.test/dir", Some("https://ca.test:14000/dir")),
            ("acme.ssl.com", None),
            ("other.test/dir", None),
        ] {
            assert_eq!(of_path(path, &seen).as_deref(), expected, "{path}");
        }
        for (key, expected) in [
            ("acme-v02.api.letsencrypt.org-directory", Some(Issuer::LETS_ENCRYPT)),
            ("acme-staging-v02.api.letsencrypt.org-directory", Some(Issuer::LETS_ENCRYPT_STAGING)),
            ("acme.zerossl.com-v2-dv90", Some("https://acme.zerossl.com/v2/DV90")),
            ("ca.test-14000-dir", Some("https://ca.test:14000/dir")),
            ("local", None),
        ] {
            assert_eq!(of_caddy_key(key, &seen).as_deref(), expected, "{key}");
        }
        for (url, expected) in [
            ("https://acme-v02.api.letsencrypt.org/acme/acct/7", Some(Issuer::LETS_ENCRYPT)),
            ("https://acme.ssl.com/sslcom-dv-ecc/acct/7", Some("https://acme.ssl.com/sslcom-dv-ecc")),
            ("https://ca.test:14000/my-account/7", None),
        ] {
            assert_eq!(of_resource(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn only_plain_https_urls_are_taken() {
        for bad in
            ["http://ca.test/dir", "https://", "https:///dir", "https://me:secret@ca.test/dir", "https://a b/", ""]
        {
            assert_eq!(directory_url(bad), None, "{bad}");
        }
        assert_eq!(
            directory_url("https://acme-v01.api.letsencrypt.org/directory").as_deref(),
            Some(Issuer::LETS_ENCRYPT)
        );
    }
}
