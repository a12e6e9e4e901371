//! Whether DNSSEC stands in the way.

use std::net::SocketAddr;

use hickory_proto::{op::ResponseCode, rr::RecordType};

use super::{Answer, Asking, DnsRecords, LookupFailure, ask, error::explanation, parse};

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

    /// The first resolver that says anything about the name decides: another one may not check signatures.
    async fn ask_about_dnssec(&self, name: &str) -> Result<DnssecState, LookupFailure> {
        let name = parse(name)?;
        let mut first = None;
        for server in self.resolvers()?.iter().copied() {
            let asked = |how| ask(server, &name, RecordType::A, how, self.patience);
            let why = match asked(Asking::ResolverWithSignatures).await {
                Ok(answer) => match LookupFailure::of_answer(server, &answer) {
                    None => return Ok(validated(server, &answer)),
                    Some(why @ LookupFailure::ServFail { .. }) => {
                        return match asked(Asking::ResolverUnchecked).await {
                            Ok(unchecked) if LookupFailure::of_answer(server, &unchecked).is_none() => {
                                Ok(DnssecState::Broken(broken(server, &answer, &unchecked)))
                            }
                            _ => Err(why),
                        };
                    }
                    Some(why) => why,
                },
                Err(silence) => LookupFailure::of_silence(server, silence),
            };
            first.get_or_insert(why);
        }
        Err(first.unwrap_or_else(|| LookupFailure::NoResolver("there is none".to_owned())))
    }
}

fn validated(server: SocketAddr, answer: &Answer) -> DnssecState {
    if answer.metadata.authentic_data {
        DnssecState::Valid
    } else if answer.all_sections().any(|record| record.record_type() == RecordType::RRSIG) {
        DnssecState::Unknown(format!("there are signatures, and {server} does not check them"))
    } else {
        DnssecState::Unsigned
    }
}

fn broken(server: SocketAddr, checked: &Answer, unchecked: &Answer) -> String {
    let said = explanation(checked).or_else(|| explanation(unchecked));
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    let answer = match unchecked.metadata.response_code {
        ResponseCode::NXDomain => "that there is no such name",
        _ => "an answer",
    };
    format!("{server} gives SERVFAIL{said} where it checks signatures, and {answer} where it does not")
}
