//! Whose a file is, for messages.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Names the user that the path belongs to, or the nearest directory above it that can be looked at.
pub(super) fn of(path: &Path) -> String {
    let owner = path.ancestors().find_map(|path| fs::symlink_metadata(path).ok()).map(|found| found.uid());
    let Some(uid) = owner else {
        return "another user".to_owned();
    };
    let names = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &names).map_or_else(|| format!("the user with number {uid}"), str::to_owned)
}

/// Looks a number up in the format of passwd(5); users of a directory service are not there.
fn name_of(uid: u32, passwd: &str) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_as_passwd_does() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nportward:x:998:998::/var/lib/portward:/bin/false\n";
        for (uid, name) in [(0, Some("root")), (998, Some("portward")), (1000, None)] {
            assert_eq!(name_of(uid, passwd), name);
        }
    }

    #[test]
    fn what_cannot_be_looked_at_belongs_to_the_owner_of_what_is_above_it() {
        assert_eq!(of(Path::new("/no-such-directory/admin.sock")), of(Path::new("/")));
    }
}
