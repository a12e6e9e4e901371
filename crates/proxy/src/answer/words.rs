//! What is said about each fault: to people who know nothing of upstreams, and to who runs the server.

use super::Fault;

/// Is what a page says.
pub(super) struct Words {
    /// The heading, around the host if it is known.
    pub(super) heading: Heading,
    /// What is, why, and what to do.
    pub(super) text: String,
    /// What the application does instead of answering; none if it has no part in it.
    pub(super) application: Option<&'static str>,
    /// For who runs the server.
    pub(super) operator: &'static str,
    /// The command that ends it, to be shown behind [`Words::operator`].
    pub(super) command: Option<&'static str>,
}

pub(super) enum Heading {
    /// The host, then these words.
    Host(&'static str),
    /// These words, then the host.
    At(&'static str),
    /// These words alone.
    Plain(&'static str),
}

pub(super) fn words(fault: Fault) -> Words {
    let upstream = |does, text: &str| Words {
        heading: Heading::Host("is not answering"),
        text: format!("Nothing is wrong on your side. Your request arrived safely, but {text}"),
        application: Some(does),
        operator: ASK_THE_LOG,
        command: None,
    };
    match fault {
        Fault::UpstreamRefused => {
            upstream("does not answer", "the application behind this address is down or restarting.")
        }
        Fault::UpstreamUnreachable | Fault::UpstreamDns => {
            upstream("cannot be reached", "the application behind this address cannot be reached.")
        }
        Fault::UpstreamTls => upstream(
            "is not trusted",
            "the application behind this address could not prove who it is, so nothing was sent to it.",
        ),
        Fault::UpstreamClosed => upstream(
            "broke off",
            "the application behind this address broke off before it had answered. It may have done what you asked for: look before you send it again.",
        ),
        Fault::UpstreamBadResponse => upstream(
            "answers wrongly",
            "the application behind this address gave an answer that cannot be passed on. It may have done what you asked for: look before you send it again.",
        ),
        Fault::UpstreamTimeout => upstream(
            "takes too long",
            "the application behind this address took too long to answer. It may still do what you asked for: look before you send it again.",
        ),
        Fault::NoUpstream => Words {
            heading: Heading::Host("is not available"),
            ..upstream(
                "is away",
                "the application behind this address is away for the moment, for maintenance or by a fault. Wait a few seconds, then try again.",
            )
        },
        Fault::Overloaded => ours(
            Heading::Host("is busy"),
            "Nothing is wrong on your side. More requests are open here than this server takes at once. Wait a few seconds, then try again.",
            "Do you run this server? Its limits of connections and streams are reached.",
        ),
        Fault::NoSite => Words {
            command: Some("portward site add NAME --upstream http://127.0.0.1:3000"),
            ..ours(
                Heading::Plain("Portward runs here"),
                "Portward runs here and received your request. It has no site yet, so there is nothing to show.",
                "Do you run this server? Put your application behind it:",
            )
        },
        Fault::UnknownHost => Words {
            command: Some(ADD_A_SITE),
            ..ours(
                Heading::At("Nothing is served at"),
                "Your request arrived, but this server has no site with that name. Check the address.",
                "Do you run this server? Add a site with this name:",
            )
        },
        Fault::ChallengesOnly => ours(
            Heading::At("Nothing is served here at"),
            "This port is open for a certificate authority alone, while it checks who has this name. Begin the address with https:// and try again.",
            "Do you run this server? Portward opened this port for an http-01 challenge; to serve sites on it, add an http binding.",
        ),
        Fault::Misdirected => Words {
            command: Some(ADD_A_SITE),
            ..ours(
                Heading::At("Nothing is served at"),
                "Your request arrived on a connection that was made for another name, and this server has no site with that one. Check the address.",
                "Do you run this server? Add a site with this name:",
            )
        },
        Fault::HttpOnHttps => ours(
            Heading::Plain("This needs https"),
            "This address takes https only. Begin it with https:// and try again.",
            "Do you run this server? This is an https binding; plain HTTP needs an http binding.",
        ),
        Fault::RequestTimeout => ours(
            Heading::Plain("The request took too long"),
            "It did not arrive whole in the time that this server waits. Check your connection, then try again.",
            ASK_THE_LOG,
        ),
        Fault::TooManyRequests => ours(
            Heading::Plain("That was too fast"),
            "More requests come from your address than this server takes of one. Wait a few seconds, then try again.",
            "Do you run this server? The limit is --max-requests-per-client of portward serve.",
        ),
        Fault::BodyTooLarge => ours(
            Heading::Plain("The request is too large"),
            "What you send is larger than this server takes. Send it in smaller parts.",
            "Do you run this server? Its limit of request bodies is reached.",
        ),
        Fault::Refused(refusal) => ours(
            Heading::Plain("The request was refused"),
            &sentence(&refusal.to_string()),
            "Do you make this client? A message that two readers can read in two ways goes no further.",
        ),
    }
}

fn ours(heading: Heading, text: &str, operator: &'static str) -> Words {
    Words { heading, text: text.to_owned(), application: None, operator, command: None }
}

/// Makes an error's text a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// The name is left to the operator: what a client sent is nothing to be pasted into a shell.
const ADD_A_SITE: &str = "portward site add NAME --upstream URL";

const ASK_THE_LOG: &str = "Do you run this server? Search its log for the request ID: it shows which upstream was asked, and what went wrong.";
