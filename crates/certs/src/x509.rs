//! A certificate (RFC 5280), read as far as serving it needs.
//!
//! Odd things in places that are of no interest never stop the reading: people bring what their authorities made.

mod extensions;
mod name;
mod public_key;
mod signature;

use std::sync::Arc;

use portward_core::{Thumbprint, Timestamp, Validity};
use time::{Date, Month, Time};

pub(crate) use extensions::Extensions;
pub(crate) use public_key::{PublicKey, bit_length, significant};
pub(crate) use signature::Signature;

use crate::der::{self, DerError, Element, Reader};

/// Holds a certificate with what is needed of its content.
#[derive(Debug, Clone)]
pub(crate) struct X509 {
    pub(crate) der: Arc<[u8]>,
    /// Lower-case hexadecimal digits, without the zero octet that only keeps a number positive.
    pub(crate) serial: String,
    /// Distinguished names in DER, to compare; and as people read them.
    pub(crate) issuer: Vec<u8>,
    pub(crate) issuer_text: String,
    pub(crate) subject: Vec<u8>,
    pub(crate) subject_text: String,
    pub(crate) validity: Validity,
    pub(crate) public_key: PublicKey,
    pub(crate) extensions: Extensions,
    pub(crate) signature: Signature,
}

impl X509 {
    /// Reads a certificate from the one element of DER that it is.
    pub(crate) fn read(der: &[u8]) -> Result<Self, DerError> {
        let whole = der::whole(der)?;
        if whole.tag != der::SEQUENCE {
            return Err(DerError("it is no sequence"));
        }
        let mut parts = whole.inside();
        let signed = parts.expect(der::SEQUENCE, "the signed part is missing")?;
        let algorithm = parts.expect(der::SEQUENCE, "the algorithm of the signature is missing")?;
        let bits = parts.expect(der::BIT_STRING, "the signature is missing")?;
        parts.end()?;
        let signature = Signature::read(&signed, &algorithm, &bits)?;

        let mut fields = signed.inside();
        fields.optional(der::context(0))?;
        let serial = fields.expect(der::INTEGER, "the serial number is missing")?;
        // RFC 5280 section 4.1.1.2; TLS libraries refuse it too.
        if fields.expect(der::SEQUENCE, "the algorithm of the signature is missing")?.raw != algorithm.raw {
            return Err(DerError("it names two different algorithms for its signature"));
        }
        let issuer = fields.expect(der::SEQUENCE, "the issuer is missing")?;
        let validity = validity(&fields.expect(der::SEQUENCE, "the validity is missing")?)?;
        let subject = fields.expect(der::SEQUENCE, "the subject is missing")?;
        let public_key = PublicKey::read(&fields.expect(der::SEQUENCE, "the public key is missing")?)?;
        fields.optional(der::context_primitive(1))?;
        fields.optional(der::context_primitive(2))?;
        let extensions = match fields.optional(der::context(3))? {
            Some(extensions) => Extensions::read(&extensions)?,
            None => Extensions::default(),
        };
        Ok(Self {
            der: der.into(),
            serial: match serial.body {
                [0, rest @ ..] if !rest.is_empty() => hex(rest),
                octets => hex(octets),
            },
            issuer: issuer.raw.to_vec(),
            issuer_text: name::text(&issuer)?,
            subject: subject.raw.to_vec(),
            subject_text: name::text(&subject)?,
            validity,
            public_key,
            extensions,
            signature,
        })
    }

    /// Whether it carries the name of its issuer as its own, and is signed by its own key.
    ///
    /// Where the algorithm of the signature is not known, the name decides.
    pub(crate) fn is_self_signed(&self) -> bool {
        self.issuer == self.subject && self.signature.is_by(&self.public_key).unwrap_or(true)
    }

    /// Whether it says that it may sign other certificates.
    pub(crate) fn is_ca(&self) -> bool {
        self.extensions.ca == Some(true)
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.der)
    }

    /// The subject for messages; the names or the thumbprint stand in for an empty one.
    pub(crate) fn title(&self) -> String {
        if !self.subject_text.is_empty() {
            return self.subject_text.clone();
        }
        match self.extensions.names.first() {
            Some(name) => name.to_string(),
            None => format!("with the thumbprint {}", self.thumbprint()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn validity(element: &Element<'_>) -> Result<Validity, DerError> {
    let mut dates = element.inside();
    Ok(Validity { not_before: timestamp(&mut dates)?, not_after: timestamp(&mut dates)? })
}

/// Reads a UTCTime or a GeneralizedTime (RFC 5280 section 4.1.2.5); seconds may be missing, as old tools leave them out.
fn timestamp(dates: &mut Reader<'_>) -> Result<Timestamp, DerError> {
    let element = dates.any()?;
    let text = element.body.strip_suffix(b"Z").ok_or(BAD_DATE)?;
    let text = text.split(|byte| *byte == b'.').next().unwrap_or(text);
    let mut digits = text.iter().map(|byte| byte.is_ascii_digit().then(|| i32::from(byte - b'0')));
    let mut pair = || -> Result<i32, DerError> {
        match (digits.next(), digits.next()) {
            (Some(Some(tens)), Some(Some(ones))) => Ok(tens * 10 + ones),
            _ => Err(BAD_DATE),
        }
    };
    let year = match element.tag {
        UTC_TIME => match pair()? {
            late @ 50.. => 1900 + late,
            early => 2000 + early,
        },
        GENERALIZED_TIME => pair()? * 100 + pair()?,
        _ => return Err(BAD_DATE),
    };
    let mut small = || pair().and_then(|number| u8::try_from(number).map_err(|_| BAD_DATE));
    let (month, day, hour, minute) = (small()?, small()?, small()?, small()?);
    let with_seconds = if element.tag == UTC_TIME { 12 } else { 14 };
    let second = if text.len() < with_seconds { 0 } else { small()? };
    if text.len() > with_seconds {
        return Err(BAD_DATE);
    }
    let month = Month::try_from(month).map_err(|_| BAD_DATE)?;
    let date = Date::from_calendar_date(year, month, day).map_err(|_| BAD_DATE)?;
    let time = Time::from_hms(hour, minute, second).map_err(|_| BAD_DATE)?;
    Timestamp::from_unix(date.with_time(time).assume_utc().unix_timestamp()).map_err(|_| BAD_DATE)
}

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BAD_DATE: DerError = DerError("a date is malformed");

#[cfg(test)]
mod tests;
