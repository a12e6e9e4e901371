//! The names of users, for audit records.

/// Finds the name of a user in the text of `/etc/passwd` (passwd(5)).
pub(super) fn name_in(passwd: &str, uid: u32) -> Option<&str> {
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
