//! Texts that are the same in each run of a test.

/// Replaces what changes from run to run: what the test says, times, ids of attempts, thumbprints, tokens, ports of this
/// machine, and numbers in paths. Each is replaced by something as long, so that tables stay as they are.
pub fn steady(text: &str, replaced: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in replaced.iter().filter(|(from, _)| !from.is_empty()) {
        text = text.replace(from, to);
    }
    let mut steady = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '/' | '.') {
            word.push(c);
        } else {
            steady.push_str(&steady_word(&word));
            word.clear();
            steady.push(c);
        }
    }
    steady.push_str(&steady_word(&word));
    steady
}

fn steady_word(word: &str) -> String {
    let core = word.trim_end_matches(['.', ':']);
    let rest = &word[core.len()..];
    let shape: String = core.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let changed = match shape.as_str() {
        "0000-00-00T00:00:00Z" => "2026-11-2xTxx:xx:xxZ".to_owned(),
        "0000-00-00" => "2026-11-2x".to_owned(),
        "00:00:00" => "xx:xx:xx".to_owned(),
        _ if is_hex(core) && core.len() == 64 => "x".repeat(64),
        _ if is_attempt(core) => "xxxxxxxxx-xxxxxxxxxx".to_owned(),
        _ => core.split('/').map(steady_part).collect::<Vec<_>>().join("/"),
    };
    changed + rest
}

/// A part of a path or URL, or any other word.
fn steady_part(part: &str) -> String {
    // Words for people are in lower case and without digits.
    let is_random = part.chars().any(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if is_random
        && matches!(part.len(), 22 | 43)
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    {
        return "x".repeat(part.len());
    }
    match part.split_once(':') {
        Some((host @ ("localhost" | "127.0.0.1"), port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("{host}:{}", "x".repeat(port.len()))
        }
        _ => part.to_owned(),
    }
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
            ("the order https://localhost:43210/order/7", "the order https://localhost:xxxxx/order/7"),
            ("06a1b2c3d-00ff00ff00; all", "xxxxxxxxx-xxxxxxxxxx; all"),
            ("asking ca for shop.test; 5 of 12", "asking ca for shop.test; 5 of 12"),
            ("http://127.0.0.1:80/", "http://127.0.0.1:xx/"),
        ] {
            assert_eq!(steady(text, &[]), expected);
        }
        assert_eq!(steady(&format!("/x/{token}: 404"), &[]), format!("/x/{}: 404", "x".repeat(43)));
        assert_eq!(steady("port 4321", &[("4321", "HTTP")]), "port HTTP");
    }
}
