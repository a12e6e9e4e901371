//! HTTP Strict Transport Security (RFC 6797): what browsers are told to remember.

use std::{fmt, time::Duration};

use crate::{CertificateStatus, Host, span::parse_duration};

/// Says whether and how a site sends `Strict-Transport-Security`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Hsts {
    /// It does not; what the upstream sends passes.
    #[default]
    Off,
    /// It does.
    On {
        /// How long a browser remembers. Zero makes it forget.
        max_age: Duration,
        /// `includeSubDomains`.
        include_subdomains: bool,
        /// `preload`.
        preload: bool,
    },
}

/// Says why a text is no HSTS setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HstsError {
    /// The first part is neither `off` nor a duration.
    #[error("\"{0}\" is neither off nor a duration like 3600, 1h, 180d or 1y")]
    Duration(String),
    /// A further part is unknown.
    #[error("\"{0}\" is not part of HSTS; after the duration come includeSubDomains and preload")]
    Directive(String),
    /// `preload` stands where the preload lists would refuse the name.
    #[error("preload needs includeSubDomains and at least one year: that is what the browsers' preload lists ask for")]
    Preload,
}

impl Hsts {
    /// Reads `off` or `DURATION[,includeSubDomains][,preload]`; a duration is seconds, or a number with `s`, `m`, `h`, `d`, `w` or `y`.
    pub fn parse(text: &str) -> Result<Self, HstsError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let mut parts = text.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let max_age = parse_duration(first).ok_or_else(|| HstsError::Duration(first.to_owned()))?;
        let (mut include_subdomains, mut preload) = (false, false);
        for part in parts {
            if part.eq_ignore_ascii_case("includeSubDomains") {
                include_subdomains = true;
            } else if part.eq_ignore_ascii_case("preload") {
                preload = true;
            } else {
                return Err(HstsError::Directive(part.to_owned()));
            }
        }
        if preload && !(include_subdomains && max_age >= YEAR) {
            return Err(HstsError::Preload);
        }
        Ok(Self::On { max_age, include_subdomains, preload })
    }
}

/// `off`, or seconds and directives as [`Hsts::parse`] reads them.
impl fmt::Display for Hsts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::On { max_age, include_subdomains, preload } = self else {
            return f.write_str("off");
        };
        write!(f, "{}", max_age.as_secs())?;
        if *include_subdomains {
            f.write_str(",includeSubDomains")?;
        }
        if *preload {
            f.write_str(",preload")?;
        }
        Ok(())
    }
}

/// Writes the header's value, if one may be sent.
///
/// It is sent over https alone, so the caller has a certificate: one that is in force and not self-signed,
/// or a browser that remembers would lock its user out. An IP address gets none (RFC 6797 section 8.1.1).
pub fn hsts_header(hsts: Hsts, host: &Host, self_signed: bool, status: CertificateStatus) -> Option<String> {
    let Hsts::On { max_age, include_subdomains, preload } = hsts else {
        return None;
    };
    if self_signed || !status.is_in_force() || matches!(host, Host::Ip(_)) {
        return None;
    }
    let mut value = format!("max-age={}", max_age.as_secs());
    if include_subdomains {
        value.push_str("; includeSubDomains");
    }
    if preload {
        value.push_str("; preload");
    }
    Some(value)
}

/// 365 days, which is what the preload lists count as a year.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn settings_are_read_and_shown() {
        for (given, shown) in [
            ("off", "off"),
            ("3600", "3600"),
            ("1h", "3600"),
            ("0", "0"),
            ("180d", "15552000"),
            ("1y,includeSubDomains", "31536000,includeSubDomains"),
            ("2y, includesubdomains, PRELOAD", "63072000,includeSubDomains,preload"),
        ] {
            let hsts = Hsts::parse(given).unwrap();
            assert_eq!(hsts.to_string(), shown, "{given}");
            assert_eq!(Hsts::parse(shown).unwrap(), hsts, "{shown}");
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_with_its_reason() {
        for (given, expected) in [
            ("", HstsError::Duration(String::new())),
            ("on", HstsError::Duration("on".to_owned())),
            ("-1", HstsError::Duration("-1".to_owned())),
            ("9999999999999999999y", HstsError::Duration("9999999999999999999y".to_owned())),
            ("1y,subdomains", HstsError::Directive("subdomains".to_owned())),
            ("1y,preload", HstsError::Preload),
            ("1d,includeSubDomains,preload", HstsError::Preload),
        ] {
            assert_eq!(Hsts::parse(given), Err(expected), "{given:?}");
        }
    }

    #[test]
    fn the_header_is_sent_only_where_it_cannot_lock_anybody_out() {
        use CertificateStatus::{Expired, ExpiresSoon, NotYetValid, Valid};
        let year = Hsts::parse("1y,includeSubDomains,preload").unwrap();
        let value = Some("max-age=31536000; includeSubDomains; preload");
        for (hsts, host, self_signed, status, expected) in [
            (year, "shop.test", false, Valid, value),
            (year, "shop.test", false, ExpiresSoon, value),
            (year, "shop.test", false, Expired, None),
            (year, "shop.test", false, NotYetValid, None),
            (year, "shop.test", true, Valid, None),
            (year, "10.0.0.1", false, Valid, None),
            (Hsts::Off, "shop.test", false, Valid, None),
        ] {
            let host = Host::parse(host).unwrap();
            assert_eq!(hsts_header(hsts, &host, self_signed, status).as_deref(), expected, "{host} {status}");
        }
    }
}
