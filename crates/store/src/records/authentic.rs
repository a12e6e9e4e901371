//! Records that say who is trusted, and with what: they carry a MAC, so that nobody makes one who can only write the store.

use bytes::Bytes;

use super::{Record, RecordError, decode, encode};
use crate::{
    Key,
    sealing::{Mac, Sealer},
};

/// Is a record with a MAC of its other fields.
pub(crate) trait Authentic: Record {
    /// Where the MAC is; none while it is computed.
    fn mac(&mut self) -> &mut Option<Mac>;
}

/// Writes a record with its MAC, for one key of the store.
pub(crate) fn encode_authentic<R: Authentic>(mut record: R, key: &Key, sealer: &Sealer) -> Bytes {
    *record.mac() = None;
    let mac = sealer.authenticate(key, &encode(&record));
    *record.mac() = Some(mac);
    encode(&record)
}

/// Reads a record; refused unless its MAC is that of this content at this key.
pub(crate) fn decode_authentic<R: Authentic>(bytes: &[u8], key: &Key, sealer: &Sealer) -> Result<R, RecordError> {
    let mut record: R = decode(bytes)?;
    let mac = record.mac().take();
    // Every field is known and has one form, so that the record is written again as it was when its MAC was made.
    sealer.verify(key, &encode(&record), mac.as_ref()).map_err(RecordError::Forged)?;
    Ok(record)
}
