//! What kind of program a client says that it is.

/// The family of a client by its `User-Agent`: a browser by its name, everything else by the name of its product without
/// its version (RFC 9110 section 10.1.5).
///
/// It is shown to people and decides nothing: whoever asks can claim to be anything.
pub fn client_family(user_agent: Option<&[u8]>) -> String {
    let text = user_agent.unwrap_or_default();
    let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    // Browsers name one another: the first of these that is there is who it is.
    for (mark, name) in BROWSERS {
        if has(mark) {
            return (*name).to_owned();
        }
    }
    let name: String = text
        .iter()
        .take_while(|byte| !matches!(byte, b'/' | b'(' | b';' | b','))
        .filter(|byte| (b' '..=b'~').contains(*byte))
        .map(|byte| char::from(*byte))
        .take(FAMILY_LETTERS)
        .collect();
    match name.trim() {
        "" => "no User-Agent".to_owned(),
        name => name.to_owned(),
    }
}

const BROWSERS: &[(&[u8], &str)] = &[
    (b"Edg/", "Edge"),
    (b"OPR/", "Opera"),
    (b"SamsungBrowser/", "Samsung Internet"),
    (b"Firefox/", "Firefox"),
    (b"FxiOS/", "Firefox"),
    (b"CriOS/", "Chrome"),
    (b"HeadlessChrome/", "Chrome"),
    (b"Chrome/", "Chrome"),
    (b"Safari/", "Safari"),
];

/// Longer names are no names.
const FAMILY_LETTERS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_called_by_their_names() {
        for (user_agent, family) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
                "Chrome",
            ),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge"),
            ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1 (KHTML, like Gecko) Version/18 Safari/605.1", "Safari"),
            ("curl/8.5.0", "curl"),
            ("TeamCity Agent 2022.04", "TeamCity Agent 2022.04"),
            ("OctopusClient-dotnet/14.3 (Windows)", "OctopusClient-dotnet"),
            ("<script>\u{7}\n", "<script>"),
            ("(none)", "no User-Agent"),
        ] {
            assert_eq!(client_family(Some(user_agent.as_bytes())), family, "{user_agent}");
        }
        assert_eq!(client_family(None), "no User-Agent");
        assert_eq!(client_family(Some(&b"x".repeat(1000))).len(), FAMILY_LETTERS);
    }
}
