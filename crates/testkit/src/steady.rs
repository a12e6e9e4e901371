//! Texts that are the same in each run of a test.

/// Replaces what changes from run to run: what the test says, times, ids of attempts, thumbprints, tokens, ports of this
/// machine, and numbers in paths. Each is replaced by something as long, so that tables stay as they are.
pub fn steady(text: &str, replaced: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in replaced.iter().filter(|(from, _)| !from.is_empty()) {
        text = text.replace(from, to);
    }
    let mut steady = String::with_capacity(text.len());
    let (mut word, mut before) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '/' | '.') {
            word.push(c);
            continue;
        }
        steady.push_str(&steady_word(&word, &before));
        if !word.is_empty() {
            before = std::mem::take(&mut word);
        }
        steady.push(c);
    }
    steady.pop();
    steady
}

fn steady_word(word: &str, before: &str) -> String {
    let core = word.trim_end_matches(['.', ':']);
    let rest = &word[core.len()..];
    let shape: String = core.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let changed = match shape.as_str() {
        "0000-00-00T00:00:00Z" => "2026-11-2xTxx:xx:xxZ".to_owned(),
        "0000-00-00" => "2026-11-2x".to_owned(),
        "00:00:00" => "xx:xx:xx".to_owned(),
        _ if is_number(core) && before == "revision" => "N".to_owned(),
        _ if is_number(core) && before == "port" && core.len() == 5 => "xxxxx".to_owned(),
        _ if is_hex(core) && core.len() == 64 => "x".repeat(64),
        _ if is_attempt(core) => "xxxxxxxxx-xxxxxxxxxx".to_owned(),
        _ if core.contains('/') => core.split('/').map(steady_part).collect::<Vec<_>>().join("/"),
        _ if core.contains(':') => steady_part(core),
        _ => core.split('.').map(without_token).collect::<Vec<_>>().join("."),
    };
    changed + rest
}

/// A part of a path or URL, or any other word.
fn steady_part(part: &str) -> String {
    match part.split_once(':') {
        Some((host @ ("localhost" | "127.0.0.1"), port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("{host}:{}", "x".repeat(port.len()))
        }
        // Of a URL.
        _ if is_number(part) => "N".to_owned(),
        _ => part.split('.').map(without_token).collect::<Vec<_>>().join("."),
    }
}

/// Tokens are 16 or 32 bytes in base64url; words for people are in lower case and without digits.
fn without_token(part: &str) -> String {
    let is_random = part.chars().any(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let is_base64url = part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_random && is_base64url && matches!(part.len(), 22 | 43) { "x".repeat(part.len()) } else { part.to_owned() }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_attempt(text: &str) -> bool {
    matches!(text.split_once('-'), Some((second, random)) if second.len() == 9 && random.len() == 10 && is_hex(second) && is_hex(random))
}

#[cfg(test)]
mod tests {
    use super::steady;

    #[test]
    fn what_changes_is_replaced_and_nothing_else() {
        let token = "T".repeat(43);
        for (text, expected) in [
            ("since 2026-11-20T12:00:07Z.", "since 2026-11-2xTxx:xx:xxZ."),
            ("retry after 2026-11-20 12:00:07 UTC: see", "retry after 2026-11-2x xx:xx:xx UTC: see"),
            ("the order https://localhost:43210/order/7", "the order https://localhost:xxxxx/order/N"),
            ("06a1b2c3d-00ff00ff00; all", "xxxxxxxxx-xxxxxxxxxx; all"),
            ("asking ca for shop.test; 5 of 12", "asking ca for shop.test; 5 of 12"),
            ("http://127.0.0.1:80/", "http://127.0.0.1:xx/"),
            ("as of revision 12, on port 43210, not on port 80", "as of revision N, on port xxxxx, not on port 80"),
        ] {
            assert_eq!(steady(text, &[]), expected);
        }
        assert_eq!(steady(&format!("/x/{token}: 404"), &[]), format!("/x/{}: 404", "x".repeat(43)));
        assert_eq!(steady("port 4321", &[("4321", "HTTP")]), "port HTTP");
    }
}
