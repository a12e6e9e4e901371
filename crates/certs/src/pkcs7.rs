//! Certificates out of PKCS #7 (RFC 2315) and CMS (RFC 5652) signed data, as `.p7b` files hold chains.

use crate::{
    der::{self, DerError},
    oid,
};

/// Lists the certificates of a `ContentInfo`, in DER as they came; other kinds of content give their identifier.
pub(crate) fn certificates(der: &[u8]) -> Result<Result<Vec<&[u8]>, String>, DerError> {
    let mut info = der::whole(der)?.inside();
    let kind = info.oid()?;
    if kind != oid::SIGNED_DATA {
        return Ok(Err(kind));
    }
    let content = info.expect(der::context(0), "the content is missing")?;
    let mut fields = content.inside().expect(der::SEQUENCE, "the signed data is missing")?.inside();
    fields.expect(der::INTEGER, "the version is missing")?;
    fields.expect(der::SET, "the digest algorithms are missing")?;
    fields.expect(der::SEQUENCE, "the signed content is missing")?;
    let mut found = Vec::new();
    if let Some(list) = fields.optional(der::context(0))? {
        let mut list = list.inside();
        while !list.is_empty() {
            let entry = list.any()?;
            // Attribute certificates have tags of their own (RFC 5652 section 10.2.2).
            if entry.tag == der::SEQUENCE {
                found.push(entry.raw);
            }
        }
    }
    Ok(Ok(found))
}
