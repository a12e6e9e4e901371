//! The names of users, for audit records.

use std::fs;

use crate::app::Actor;

/// A user of this machine, by name if the machine knows it.
pub(crate) fn local_actor(uid: u32) -> Actor {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    Actor::local(uid, name_in(&passwd, uid))
}

/// Finds the name of a user in the text of `/etc/passwd` (passwd(5)).
fn name_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        (id == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_of_the_first_entry() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:\nada:x:1000:1000::/home/ada:/bin/sh\nb:x:1000:";
        for (uid, expected) in [(0, Some("root")), (1000, Some("ada")), (7, None), (1, None)] {
            assert_eq!(name_in(passwd, uid), expected, "{uid}");
        }
    }
}
