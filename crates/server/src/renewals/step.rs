//! The steps of an order, each in a file: what is done in a stage, and what it leads to.

mod certificate;
mod challenges;
mod order;
mod serving;
mod validation;

use portward_certs::dns::TxtRecord;
use portward_store::work::PlacedTxt;

/// The TXT record of a challenge.
pub(super) fn record(txt: &PlacedTxt) -> TxtRecord {
    TxtRecord { zone: txt.zone.clone(), name: txt.name.clone(), value: txt.value.clone() }
}
