//! Whom a question is about: a user by username, by the beginning of one, by a
//! part of a name or by UUID, or an account.

use tonic::Code;
use uuid::Uuid;

use crate::{
    ask::{asker::Asker, error::AskError},
    client::v1::{self, get_user_request},
};

/// Users that are named where several are meant.
const NAMED: usize = 5;

/// Whom a question is about.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// A user.
    User {
        /// The user's UUID.
        uuid: String,
        /// What the user is called here.
        label: String,
    },
    /// One account.
    Account(v1::AccountKey),
    /// Everybody.
    All,
}

impl Who {
    /// What stands for it in an answer.
    pub(super) fn label(&self) -> String {
        match self {
            Self::User { label, .. } => label.clone(),
            Self::Account(key) => account(Some(key)),
            Self::All => "everybody".to_owned(),
        }
    }
}

/// An account as it is shown and said.
pub(super) fn account(key: Option<&v1::AccountKey>) -> String {
    key.map(|key| format!("{}:{}", key.network, key.address)).unwrap_or_default()
}

/// Finds whom a text means; everybody where there is none.
pub(super) async fn find_or_all(asker: &Asker, text: Option<&str>) -> Result<Who, AskError> {
    match text {
        Some(text) => find(asker, text).await,
        None => Ok(Who::All),
    }
}

/// Finds whom a text means.
pub(super) async fn find(asker: &Asker, text: &str) -> Result<Who, AskError> {
    if let Some(key) = key(text) {
        return Ok(Who::Account(key));
    }
    find_user(asker, text).await
}

/// A key of an account or a token, if the text is one: NETWORK:ADDRESS.
pub(super) fn key(text: &str) -> Option<v1::AccountKey> {
    let (network, address) = text.split_once(':')?;
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_network = !network.is_empty() && network.bytes().all(is_right);
    let key = || v1::AccountKey { network: network.to_owned(), address: address.to_owned() };
    (is_network && !address.is_empty()).then(key)
}

/// Finds the user whom a text means.
pub(super) async fn find_user(asker: &Asker, text: &str) -> Result<Who, AskError> {
    if let Ok(uuid) = Uuid::parse_str(text) {
        return Ok(Who::User { uuid: uuid.to_string(), label: uuid.to_string() });
    }
    let found = |user: v1::User| Who::User { uuid: user.user_uuid, label: user.username };
    let mut ledger = asker.client().await?.ledger();
    let user = Some(get_user_request::User::Username(text.to_owned()));
    match ledger.get_user(v1::GetUserRequest { user }).await {
        Ok(answer) => return Ok(found(answer.into_inner().user.unwrap_or_default())),
        Err(status) if status.code() == Code::NotFound => {}
        Err(status) => return Err(AskError::Answered(Box::new(status))),
    }
    let nobody = || AskError::Who(format!("{text:?} is no part of any user's name"));
    let page_size = i32::try_from(NAMED + 1).unwrap_or(i32::MAX);
    let begun = v1::ListUsersRequest {
        page_size,
        username_prefix: text.to_owned(),
        ..v1::ListUsersRequest::default()
    };
    let within = v1::ListUsersRequest { page_size, search: text.to_owned(), ..Default::default() };
    for (question, does) in [(begun, "begins"), (within, "is a part of")] {
        let users = match ledger.list_users(question).await {
            Ok(answer) => answer.into_inner().users,
            // A token that records may look up whole usernames alone.
            Err(status) if status.code() == Code::PermissionDenied => return Err(nobody()),
            Err(status) => return Err(AskError::Answered(Box::new(status))),
        };
        let names: Vec<_> = users.iter().take(NAMED).map(|user| user.username.as_str()).collect();
        match (users.len(), names.join(", ")) {
            (0, _) => {}
            (1, _) => return users.into_iter().next().map(found).ok_or_else(nobody),
            (count, names) => {
                let more = if count > NAMED { " and others" } else { "" };
                let what = format!("{text:?} {does} several users' names: {names}{more}");
                return Err(AskError::Who(what));
            }
        }
    }
    Err(nobody())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_and_an_address_name_an_account() {
        let found = key("bitcoin:1A1z").expect("it is one");
        assert_eq!((found.network.as_str(), found.address.as_str()), ("bitcoin", "1A1z"));
        assert_eq!(key("evm-137:0xab:cd").map(|key| key.address).as_deref(), Some("0xab:cd"));
        for other in ["ann", ":x", "bank:", "Ann:x", "ann b:c", ""] {
            assert!(key(other).is_none(), "{other}");
        }
    }
}
