//! DNS as dns-01 and advice need it: looking up, and having TXT records written.
//!
//! [`DnsRecords`] is what looks up: zones, delegations, addresses, CAA, and whether every authoritative server shows a value.
//! [`TxtWriter`] is who writes TXT records: a hosted provider, RFC 2136, a program, a webhook; [`open`] makes one of its
//! kind and settings.

mod provider;
mod records;
mod writer;

pub use provider::{Need, OpenProviderError, ProviderKind, ProviderSetting, kinds, open, program};
pub use records::{
    Addresses, CaaRecord, CaaSet, DnsRecords, DnssecState, LookupError, LookupFailure, Propagation, Zone, ZoneSource,
};
pub use writer::{TxtError, TxtRecord, TxtWriter};
