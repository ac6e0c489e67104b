//! `daybook token`: makes, lists and revokes the tokens that callers show.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use chrono::{DateTime, SecondsFormat, Utc};
use rand::RngExt;
use uuid::Uuid;

use crate::{
    access::{self, NewToken, RecordedToken},
    app::{checks, database, tools},
    cli::{MigrateArgs, TokenArgs, TokenCommand, TokenCreateArgs},
    domain::{
        access::{
            CERTIFICATE_NAME_LENGTH_MAX, Role, TOKEN_NAME_LENGTH_MAX, Token, TokenRecord,
            certificate_name_hash,
        },
        user::is_plain,
    },
    store::Database,
    upkeep::server_check,
};

/// Longest time that a token may be in force, in days.
const EXPIRES_DAYS_MAX: u32 = 36_500;

/// Carries out one of the commands about tokens.
///
/// # Errors
/// If what is asked for is wrong or not there, the database cannot be opened or fails, or a
/// signal came before the end.
pub async fn token(arguments: &TokenArgs) -> anyhow::Result<()> {
    match &arguments.command {
        TokenCommand::Create(arguments) => create(arguments).await,
        TokenCommand::List(common) => {
            with_database(common, async |database| {
                let tokens = access::list_tokens(database).await?;
                tell(&describe(&tokens, Utc::now()))
            })
            .await
        }
        TokenCommand::Revoke(arguments) => {
            with_database(&arguments.migrate, async |database| {
                let token = access::revoke_token(database, arguments.token_id).await?;
                tracing::info!(id = %token.token_id, name = token.name, "revoked the token");
                Ok(())
            })
            .await
        }
    }
}

async fn create(arguments: &TokenCreateArgs) -> anyhow::Result<()> {
    let TokenCreateArgs { role, user, certificate_name, name, expires_days, migrate } = arguments;
    let name = name.clone().unwrap_or_else(|| role.as_str().to_owned());
    let is_name = !name.is_empty() && is_plain(&name, TOKEN_NAME_LENGTH_MAX);
    anyhow::ensure!(
        is_name,
        "--name must be 1 to {TOKEN_NAME_LENGTH_MAX} characters, without control characters"
    );
    anyhow::ensure!(
        expires_days.is_none_or(|days| (1..=EXPIRES_DAYS_MAX).contains(&days)),
        "--expires-days must be 1 to {EXPIRES_DAYS_MAX}"
    );
    anyhow::ensure!(
        (*role == Role::User) == user.is_some(),
        "--user must be the UUID of a user with --role user, and be left out with other roles"
    );
    if let Some(certificate_name) = certificate_name {
        anyhow::ensure!(
            !certificate_name.is_empty()
                && certificate_name.len() <= CERTIFICATE_NAME_LENGTH_MAX
                && certificate_name.chars().all(|c| c.is_ascii_graphic()),
            "--certificate-name must be a DNS name or a URI as it stands in the certificate"
        );
    }
    let token = Token::new(rand::rng().random());
    let new = NewToken {
        token_id: Uuid::new_v4(),
        name,
        hash: certificate_name.as_deref().map_or_else(|| token.hash(), certificate_name_hash),
        role: *role,
        user_uuid: *user,
        certificate_name: certificate_name.clone(),
        expires_days: expires_days.and_then(|days| i32::try_from(days).ok()),
    };
    with_database(migrate, async |database| {
        let recorded = match access::create_token(database, &new).await? {
            RecordedToken::Recorded(recorded) => recorded,
            RecordedToken::NoUser => anyhow::bail!("--user: there is no such user"),
            RecordedToken::Taken => anyhow::bail!(
                "--certificate-name: there is a token of this name already: revoke it first \
                 (daybook token list)"
            ),
        };
        let expires_at = recorded.expires_at.map(instant);
        tracing::info!(
            id = %recorded.token_id,
            name = recorded.name,
            role = recorded.role.as_str(),
            expires_at,
            user_uuid = recorded.user_uuid.map(tracing::field::display),
            certificate_name = recorded.certificate_name,
            "made a token; a secret is shown once, and stored nowhere"
        );
        match recorded.certificate_name {
            Some(_) => Ok(()),
            None => tell(&format!("{}\n", token.to_text())),
        }
    })
    .await
}

async fn with_database(
    common: &MigrateArgs,
    work: impl AsyncFnOnce(&Database) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    checks::migrate(common)?;
    let unfinished = "stopped before it was done: `daybook token list` shows what there is";
    tools::until_stopped(&common.database, unfinished, async |opened| {
        let database = Database::new(&opened.owner_target, &common.pool)?;
        server_check::wait(&database, database::patience(&common.database)).await?;
        tools::bring_up(&database, &common.pool, &common.partitions).await?;
        work(&database).await
    })
    .await
}

fn tell(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

/// A line a token.
fn describe(tokens: &[TokenRecord], now: DateTime<Utc>) -> String {
    let mut text =
        format!("{:36}  {:8}  {:7}  {:20}  {}\n", "id", "role", "state", "expires", "name");
    for token in tokens {
        let state = match (token.revoked_at, token.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(at)) if at <= now => "expired",
            (None, _) => "valid",
        };
        let expires = token.expires_at.map_or_else(|| "never".to_owned(), instant);
        let (id, role, name) = (token.token_id, token.role.as_str(), &token.name);
        let _ = write!(text, "{id}  {role:8}  {state:7}  {expires:20}  {name}");
        if let Some(user_uuid) = token.user_uuid {
            let _ = write!(text, " (user {user_uuid})");
        }
        if let Some(certificate_name) = &token.certificate_name {
            let _ = write!(text, " (certificate {certificate_name})");
        }
        text.push('\n');
    }
    text
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_listed_with_its_state() {
        let at = |second| DateTime::from_timestamp(second, 0).expect("an instant");
        let token = |expires_at, revoked_at| TokenRecord {
            token_id: Uuid::nil(),
            name: "dash".to_owned(),
            role: Role::Reader,
            user_uuid: None,
            certificate_name: None,
            created_at: at(0),
            expires_at,
            revoked_at,
        };
        let tokens = [token(None, None), token(Some(at(5)), None), token(None, Some(at(1)))];
        let text = describe(&tokens, at(5));
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        let id = Uuid::nil().to_string();
        assert_eq!(
            lines,
            [
                ["id", "role", "state", "expires", "name"],
                [&id, "reader", "valid", "never", "dash"],
                [&id, "reader", "expired", "1970-01-01T00:00:05Z", "dash"],
                [&id, "reader", "revoked", "never", "dash"],
            ]
        );
    }
}
