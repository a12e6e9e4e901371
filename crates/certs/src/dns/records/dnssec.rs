//! Whether DNSSEC stands in the way.

use hickory_proto::{op::ResponseCode, rr::RecordType};

use super::{Asking, DnsRecords, LookupFailure, error::explanation, parse};

/// Says what a resolver makes of a name's DNSSEC; nothing is validated here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnssecState {
    /// The name is not signed, as far as the resolver shows.
    Unsigned,
    /// It is signed, and the resolver has validated it.
    Valid,
    /// It is signed wrongly: resolvers that validate, and with them CAs, get no answer. The text says what is known.
    Broken(String),
    /// The resolver does not say.
    Unknown(String),
}

impl DnsRecords {
    /// Asks a resolver about a name with and without validation: an answer that it withholds (`SERVFAIL`), but gives
    /// when it is not to check (RFC 4035 section 3.2.2), is one whose signatures are wrong.
    pub async fn dnssec(&self, name: &str) -> DnssecState {
        let asked = tokio::time::timeout(self.patience.total, self.ask_about_dnssec(name)).await;
        match asked {
            Ok(Ok(state)) => state,
            Ok(Err(why)) => DnssecState::Unknown(why.to_string()),
            Err(_) => DnssecState::Unknown(format!("no answer within {} seconds", self.patience.total.as_secs_f32())),
        }
    }

    async fn ask_about_dnssec(&self, name: &str) -> Result<DnssecState, LookupFailure> {
        let name = parse(name)?;
        match self.resolve(&name, RecordType::A, Asking::ResolverWithSignatures).await {
            Ok((_, answer)) if answer.metadata.authentic_data => Ok(DnssecState::Valid),
            Ok((server, answer)) => {
                let is_signed = answer.all_sections().any(|record| record.record_type() == RecordType::RRSIG);
                Ok(if is_signed {
                    DnssecState::Unknown(format!("there are signatures, and {server} does not validate them"))
                } else {
                    DnssecState::Unsigned
                })
            }
            Err(why @ LookupFailure::ServFail { .. }) => {
                match self.resolve(&name, RecordType::A, Asking::ResolverUnchecked).await {
                    Ok((server, answer)) => Ok(DnssecState::Broken(broken(&why, &server.to_string(), &answer))),
                    Err(_) => Err(why),
                }
            }
            Err(why) => Err(why),
        }
    }
}

fn broken(why: &LookupFailure, server: &str, unchecked: &super::Answer) -> String {
    let said = match why {
        LookupFailure::ServFail { explanation, .. } if !explanation.is_empty() => Some(explanation.trim().to_owned()),
        _ => explanation(unchecked).map(|text| format!("({text})")),
    };
    let answer = match unchecked.metadata.response_code {
        ResponseCode::NXDomain => "that there is no such name",
        _ => "an answer",
    };
    let said = said.map(|said| format!(" {said}")).unwrap_or_default();
    format!("{server} gives SERVFAIL{said} where it checks signatures, and {answer} where it does not")
}
