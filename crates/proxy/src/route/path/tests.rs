#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::{PathRoute, Upstream};

use super::*;

fn groups() -> Groups {
    let own = [Upstream::parse("http://127.0.0.1:1").unwrap()];
    let routes = ["/a=http://127.0.0.1:2", "/a/b=http://127.0.0.1:3", "/admin=http://127.0.0.1:4"];
    Groups::new(&own, &PathRoute::parse_all(routes).unwrap(), None, |_| None)
}

/// The prefix that a path is found under, or that it is refused.
fn found(groups: &Groups, path: &str) -> &'static str {
    match group_of(groups, path) {
        Ok(index) => ["/", "/admin", "/a/b", "/a"][index],
        Err(_) => "refused",
    }
}

#[test]
fn the_longest_prefix_has_the_path() {
    let groups = groups();
    for (path, expected) in [
        ("/", "/"),
        ("*", "/"),
        ("/x", "/"),
        ("/a", "/a"),
        ("/a/", "/a"),
        ("/a?x=/a/b", "/a"),
        ("/a/c", "/a"),
        ("/a/b", "/a/b"),
        ("/a/b/c?d", "/a/b"),
        ("/a/bc", "/a"),
        ("/ab", "/"),
        ("/A", "/"),
        ("/x/a", "/"),
        ("/admin/..hidden", "/admin"),
    ] {
        assert_eq!(found(&groups, path), expected, "{path}");
    }
}

#[test]
fn what_every_reader_finds_in_the_same_place_passes_in_its_own_spelling() {
    let groups = groups();
    for (path, expected) in [
        ("/a/x%2Fy", "/a"),
        ("/x%2fy", "/"),
        ("/a/%7euser", "/a"),
        ("/a/caf%C3%A9", "/a"),
        ("/a/100%25.txt", "/a"),
        ("/a/x%2520y", "/a"),
        ("/x//y", "/"),
        ("/a/./Packages.gz", "/a"),
        ("/.well-known/x", "/"),
        ("/x;v=1", "/"),
        ("/a/x;v=1/y", "/a"),
        ("/x/https://y.test/", "/"),
        ("/x\\y", "/"),
        ("/x?y=%zz&z=../../admin", "/"),
    ] {
        assert_eq!(found(&groups, path), expected, "{path}");
    }
}

#[test]
fn no_other_spelling_reaches_a_route_or_leaves_one() {
    let groups = groups();
    for path in [
        "/%61dmin",
        "/%61",
        "/%2561dmin",
        "//admin",
        "/./admin",
        "/%2fadmin",
        "/%2e/admin",
        "\\admin",
        "/\\admin",
        "/%5cadmin",
        "/admin;x=1",
        "/admin%3bx",
        "/;x/admin",
        "/x/../admin",
        "/x/..%2fadmin",
        "/x/..;/admin",
        "/x/%2e%2e/admin",
        "/x/.%2e/admin",
        "/x/..\\admin",
        "/x/%252e%252e/admin",
        "/x%252f..%252fadmin",
        "/admin/../x",
        "/admin/..",
        "/admin/..%2f..%2fx",
        "/admin%2f",
        "/admin%2fx",
        "/a//b",
        "/a/%62",
        "/a%2fb",
        "/a;%2fb",
        "/a;x%2fc/b",
        "/a%3bx%252fc/b",
        "/a/b%2f../../x",
        "/x%00/admin",
        "/x%zz",
        "/x%",
        "/x%2",
        "/x%+1",
    ] {
        assert_eq!(found(&groups, path), "refused", "{path}");
    }
}

#[test]
fn without_routes_every_path_is_the_sites_own() {
    let groups = Groups::from(vec![Upstream::parse("http://127.0.0.1:1").unwrap()]);
    assert_eq!(group_of(&groups, "/x/../%61dmin%zz"), Ok(0));
}

/// Is a generator of numbers that is the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Does one of the things that some application does to a path before it looks at it.
fn read(path: &str, dice: &mut Dice) -> String {
    match dice.roll(8) {
        0 => decode(path, Malformed::Kept).map_or_else(|_| path.to_owned(), Cow::into_owned),
        1 => path.replace('\\', "/"),
        2 => path.replace("//", "/"),
        3 => path.replace("/./", "/"),
        4 => strip(path).into_owned(),
        5 => path.replacen("%2f", "/", 1).replace("%61", "a").replace("%62", "b"),
        6 => {
            let mut kept: Vec<&str> = Vec::new();
            for segment in path.split('/') {
                if segment == ".." {
                    kept.pop();
                } else {
                    kept.push(segment);
                }
            }
            kept.join("/")
        }
        _ => path.split('/').map(|part| part.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/"),
    }
}

/// An application that reads a path in any order of ways finds it below the prefix that we found it below.
#[test]
fn whoever_answers_finds_the_path_where_we_found_it() {
    let groups = groups();
    let parts = [
        "/", "/", "a", "b", "/a", "/b", "/admin", "x", "..", ".", ";", ";x", "\\", "%2f", "%5c", "%2e", "%61", "%62",
        "%3b", "%25", "%252f", "%2561", "%", "/x",
    ];
    let (mut dice, mut passed, mut unusual) = (Dice(0x9e37_79b9_7f4a_7c15), 0, 0);
    for _ in 0..200_000 {
        let mut path = String::from("/");
        for _ in 0..=dice.roll(7) {
            path.push_str(parts[dice.roll(parts.len())]);
        }
        let Ok(group) = group_of(&groups, &path) else { continue };
        passed += 1;
        unusual += usize::from(is_unusual(&path));
        let mut seen = path.clone();
        for _ in 0..dice.roll(7) {
            seen = read(&seen, &mut dice);
            if !seen.starts_with('/') {
                seen.insert(0, '/');
            }
            assert_eq!(groups.find(&seen), group, "{path} is read as {seen}");
        }
    }
    assert!(passed > 20_000 && unusual > 10_000, "{passed} passed, {unusual} of them unusual");
}
