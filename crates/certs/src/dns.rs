//! DNS as dns-01 and advice need it: looking up, and having TXT records written.
//!
//! [`DnsRecords`] is what looks up: zones, delegations, addresses, CAA, and whether every authoritative server shows a value.
//! [`TxtWriter`] is who writes TXT records: a hosted provider, RFC 2136, a program, a webhook.

mod writer;

pub use writer::{TxtError, TxtRecord, TxtWriter};
