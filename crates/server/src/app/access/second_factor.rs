//! The second factor: codes by time (RFC 6238), and recovery codes for whoever lost what makes them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portward_api::{SecondFactorBegin, SecondFactorBegun, SecondFactorEnd, SecretText};
use portward_core::{SecondFactor, check_password};
use portward_store::{
    access::{self, StoredSecondFactor, StoredUser},
    change::{Change, Expected},
    desired::Stored,
    sealing::Secret,
    work::{self, Enrolment},
};
use totp_rs::{Algorithm, Builder, Totp};

use super::{
    account::Me,
    is_same, sha256,
    sign_in::{NewSession, Origin, Proof},
    work_error,
};
use crate::app::{App, AppError, random_bytes};

impl App {
    /// Begins to set up a second factor, for somebody who shows the password; one that was begun before is forgotten.
    pub(crate) async fn begin_second_factor(
        &self,
        me: &Me,
        input: &SecondFactorBegin,
        origin: &Origin,
    ) -> Result<SecondFactorBegun, AppError> {
        me.demand_local()?;
        if me.stored.value.second_factor.is_some() {
            let message = "there is a second factor already; turn it off first";
            return Err(AppError::conflict("second-factor-on", message));
        }
        self.demand_password(me, &input.password, origin).await?;
        let name = &me.stored.value.user.name;
        let secret = Secret::copy_of(&*random_bytes::<SECRET>()?);
        let sealer = self.sealer(&self.served().desired)?;
        let enrolment = Enrolment { user_id: me.stored.value.id.clone(), secret, expires: self.now().plus(ENROLMENT) };
        let mut change = Change::of_work();
        change.put_enrolment(name, &enrolment, &sealer);
        self.commit(change).await?;
        Ok(self.second_factor_view(me, &enrolment.secret))
    }

    /// The second factor that is being set up, as an authenticator takes it; none if it took too long.
    pub(crate) async fn begun_second_factor(&self, me: &Me) -> Result<Option<SecondFactorBegun>, AppError> {
        Ok(self.enrolment(me).await?.map(|begun| self.second_factor_view(me, &begun.secret)))
    }

    async fn enrolment(&self, me: &Me) -> Result<Option<Enrolment>, AppError> {
        let (user, now) = (&me.stored.value, self.now());
        let sealer = self.sealer(&self.served().desired)?;
        let enrolment = work::read_enrolment(&*self.parts.store, &sealer, &user.user.name)
            .await
            .map_err(|error| AppError::internal("the second factor that was begun cannot be read", error))?;
        Ok(enrolment.filter(|begun| begun.user_id == user.id && begun.expires > now))
    }

    fn second_factor_view(&self, me: &Me, secret: &Secret) -> SecondFactorBegun {
        let name = &me.stored.value.user.name;
        let shown = totp_rs::Secret::new(secret.expose().into()).to_base32();
        let label = utf8_percent_encode(&format!("Portward:{name}"), NON_ALPHANUMERIC).to_string();
        let issuer = format!("Portward on {}", self.parts.host_name);
        let issuer = utf8_percent_encode(&issuer, NON_ALPHANUMERIC);
        let url = format!("otpauth://totp/{label}?secret={shown}&issuer={issuer}");
        SecondFactorBegun { secret: SecretText::new(shown), url: SecretText::new(url) }
    }

    /// Turns on the second factor that was begun, for somebody who shows a code of it; gives the recovery codes, and a
    /// new session, as all others end.
    pub(crate) async fn finish_second_factor(
        &self,
        me: &Me,
        code: &SecretText,
        origin: &Origin,
    ) -> Result<(Vec<SecretText>, NewSession), AppError> {
        let Stored { value: user, revision } = &me.stored;
        let (name, now) = (&user.user.name, self.now());
        let sealer = self.sealer(&self.served().desired)?;
        let begun = self.enrolment(me).await?.ok_or_else(|| {
            AppError::conflict(
                "second-factor-not-begun",
                "no second factor is being set up, or it took too long; begin again",
            )
        })?;
        let step = step_of(&begun.secret, code, now)?.ok_or_else(|| {
            AppError::refused(
                "wrong-code",
                "The code is wrong. Look at the clock of the device that shows it, and take the next one.",
            )
        })?;
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            codes.push(recovery_code()?);
        }
        let factor = StoredSecondFactor {
            secret: access::seal_second_factor(&sealer, name, &begun.secret),
            recovery: codes.iter().map(|code| sha256(code.expose())).collect(),
        };
        let user = StoredUser { second_factor: Some(factor), epoch: user.epoch + 1, ..user.clone() };
        let mut change = self.change_of(&me.actor, format!("turn on the second factor of user {name}"));
        change.put_user(&user, Expected::At(*revision));
        change.remove_enrolment(name);
        let session = self.put_session(Some(step), &mut change, &user, origin).await?;
        Ok((codes, session))
    }

    /// Turns one's own second factor off, for somebody who shows a password that is long enough to be alone.
    pub(crate) async fn end_second_factor(
        &self,
        me: &Me,
        input: &SecondFactorEnd,
        origin: &Origin,
    ) -> Result<NewSession, AppError> {
        self.demand_password(me, &input.password, origin).await?;
        let Stored { value: user, revision } = &me.stored;
        let name = &user.user.name;
        check_password(name, input.password.expose(), SecondFactor::None).map_err(|error| {
            let message =
                format!("password: {error} Without a second factor it is all that is asked for; change it first.");
            AppError::refused("weak-password", message)
        })?;
        let user = StoredUser { second_factor: None, epoch: user.epoch + 1, ..user.clone() };
        let what = format!("turn off the second factor of user {name}");
        let mut change = self.change_of(&me.actor, what);
        change.put_user(&user, Expected::At(*revision));
        self.put_session(None, &mut change, &user, origin).await
    }

    /// Checks a code, or a recovery code, of somebody who has a second factor; none if it is wrong or was used.
    pub(super) async fn check_code(&self, user: &StoredUser, code: &SecretText) -> Result<Option<Proof>, AppError> {
        let Some(factor) = &user.second_factor else { return Ok(None) };
        let name = &user.user.name;
        let typed = plain(code);
        if typed.expose().len() > DIGITS {
            let sha256 = sha256(typed.expose());
            let Some(at) = factor.recovery.iter().position(|known| is_same(known, &sha256)) else { return Ok(None) };
            // Read again for its revision: two who use the same code at once do not both get in.
            let Some(Stored { value: mut user, revision }) = access::read_user(&*self.parts.store, name).await? else {
                return Ok(None);
            };
            let known = user.second_factor.as_mut().filter(|now| now.recovery.get(at) == Some(&sha256));
            let Some(known) = known else { return Ok(None) };
            known.recovery.remove(at);
            return Ok(Some(Proof::Recovery { user: Box::new(user), expected: Expected::At(revision) }));
        }
        let sealer = self.sealer(&self.served().desired)?;
        let secret = access::open_second_factor(&sealer, name, &factor.secret)
            .map_err(|error| AppError::internal("the second factor cannot be opened", error))?;
        let Some(step) = step_of(&secret, &typed, self.now())? else { return Ok(None) };
        let before = work::read_sign_ins(&*self.parts.store, name).await.map_err(work_error)?;
        let last = before.and_then(|stored| stored.value.step);
        Ok(last.is_none_or(|last| step > last).then_some(Proof::Step(step)))
    }
}

/// The step of which a code is, if it is of the one now or of those beside it.
fn step_of(secret: &Secret, code: &SecretText, now: portward_core::Timestamp) -> Result<Option<u64>, AppError> {
    let seconds = u64::try_from(now.unix()).unwrap_or_default();
    Ok(totp(secret)?.check(plain(code).expose(), seconds))
}

fn totp(secret: &Secret) -> Result<Totp, AppError> {
    // What every authenticator program knows, whatever the URL says.
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_secret(totp_rs::Secret::new(secret.expose().into()))
        .build()
        .map_err(|error| AppError::internal("the second factor cannot be used", error.to_string()))
}

/// As people type codes: in groups, in upper case.
fn plain(code: &SecretText) -> SecretText {
    let typed = code.expose().chars().filter(|c| !c.is_whitespace() && *c != '-');
    SecretText::new(typed.map(|c| c.to_ascii_lowercase()).collect())
}

/// 80 bits in base32, without what is mistaken for something else.
fn recovery_code() -> Result<SecretText, AppError> {
    let bytes = random_bytes::<16>()?;
    Ok(SecretText::new(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()))
}

/// A recovery code as it is shown: in groups of four.
pub(crate) fn grouped(code: &SecretText) -> SecretText {
    let mut text = String::new();
    for (index, letter) in code.expose().chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    SecretText::new(text)
}

/// RFC 4226 section 4: 160 bits.
const SECRET: usize = 20;
const DIGITS: usize = 6;
const RECOVERY_CODES: usize = 10;
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";
/// Long enough to install an authenticator program.
const ENROLMENT: std::time::Duration = std::time::Duration::from_secs(900);
