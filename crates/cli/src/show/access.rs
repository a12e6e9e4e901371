//! Users and tokens for people.

use portward_api::{TokenView, UserView};

use crate::table::{Cell, Colour, Table, Tone};

/// One line for each user.
pub(crate) fn users(users: &[UserView], colour: Colour) -> String {
    if users.is_empty() {
        return NO_USER.to_owned();
    }
    let mut table = Table::new(&["NAME", "ROLE", "STATE", "SECOND FACTOR", "LAST SIGN-IN", "E-MAIL"]);
    for user in users {
        table.row([
            (&user.name).into(),
            (&user.role).into(),
            state(user),
            if user.second_factor { "on" } else { "off" }.into(),
            user.last_sign_in.as_deref().unwrap_or("never").into(),
            user.email.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.render(colour)
}

/// One line for each fact of a user.
pub(crate) fn user(user: &UserView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["name".into(), (&user.name).into()]);
    table.row(["role".into(), (&user.role).into()]);
    table.row(["state".into(), state(user)]);
    table.row(["second factor".into(), if user.second_factor { "on" } else { "off" }.into()]);
    table.row(["last sign-in".into(), user.last_sign_in.as_deref().unwrap_or("never").into()]);
    if let Some(email) = &user.email {
        table.row(["e-mail".into(), email.into()]);
    }
    table.render(colour)
}

/// One line for each token.
pub(crate) fn tokens(tokens: &[TokenView], colour: Colour) -> String {
    if tokens.is_empty() {
        return NO_TOKEN.to_owned();
    }
    let mut table = Table::new(&["ID", "NAME", "OWNER", "EXPIRES", "LAST USED", "PERMISSIONS"]);
    for token in tokens {
        let expires = token.expires.as_deref().unwrap_or("never");
        let tone = if token.expired { Tone::Bad } else { Tone::Plain };
        let expires = if token.expired { format!("{expires} (expired)") } else { expires.to_owned() };
        table.row([
            (&token.id).into(),
            (&token.name).into(),
            (&token.owner).into(),
            Cell::toned(&expires, tone),
            token.last_used.as_deref().unwrap_or("never").into(),
            super::or_none(&token.permissions).into(),
        ]);
    }
    table.render(colour)
}

/// Tells of a token that was made, beside its secret.
pub(crate) fn token_created(token: &TokenView) -> String {
    let until = match &token.expires {
        Some(expires) => format!("until {expires}"),
        None => format!("until it is revoked: portward token revoke {}", token.id),
    };
    format!("Keep the token now: it is not shown again. It permits {}, {until}.", super::or_none(&token.permissions))
}

fn state(user: &UserView) -> Cell {
    if user.disabled { Cell::toned("disabled", Tone::Warning) } else { Cell::toned("enabled", Tone::Good) }
}

const NO_USER: &str = "No user yet. The first one is the owner: open the setup link of `portward setup-link`, or run portward init --owner NAME --password-stdin\n";
const NO_TOKEN: &str = "No token yet. A token lets a program in, and permits what you say. Make one: portward token create 'deploy from CI' --permission view site:change --expires 90d\n";
