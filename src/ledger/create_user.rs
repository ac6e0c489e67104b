//! Recording users.

use crate::{
    domain::{
        access::Identity,
        user::{NewUser, User},
    },
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::create_user::{self, CreatedUser},
};

impl Ledger {
    /// Records a user with a payments account, tracked as a wallet; or finds that very user.
    ///
    /// # Errors
    /// `AlreadyExists` where the username or the UUID is another user's, or was one's; what
    /// the database says.
    pub async fn create_user(&self, new: &NewUser, by: &Identity) -> Result<User, Error> {
        let known = match create_user::create_user(&self.database, new, by).await? {
            CreatedUser::Recorded(user) => return Ok(user),
            CreatedUser::UuidOfDeleted => {
                return Err(exists("user_uuid is that of a user who was deleted".to_owned()));
            }
            CreatedUser::Known(known) => known,
        };
        match known.as_slice() {
            // Whoever was in the way went meanwhile.
            [] => Err(Error::new(ErrorKind::Aborted)),
            [user] if is_same(new, user) => Ok(user.clone()),
            [user] => Err(exists(difference(new, user))),
            _ => Err(exists("username and user_uuid are those of two users".to_owned())),
        }
    }
}

fn exists(how: String) -> Error {
    Error::new(ErrorKind::AlreadyExists(how))
}

fn is_same(new: &NewUser, user: &User) -> bool {
    let is_same_uuid = new.user_uuid.is_none_or(|user_uuid| user_uuid == user.user_uuid);
    is_same_uuid && new.username == user.username && new.name == user.name
}

/// How a user differs from one who has the username or the UUID.
fn difference(new: &NewUser, user: &User) -> String {
    let (shared, other) = if new.username == user.username {
        ("username", new.user_uuid.is_some_and(|user_uuid| user_uuid != user.user_uuid))
    } else {
        ("user_uuid", true)
    };
    let mut fields = Vec::new();
    if other {
        fields.push(if shared == "username" { "user_uuid" } else { "username" });
    }
    if new.name != user.name {
        fields.push("name");
    }
    format!("{shared} is recorded with another {}", fields.join(" and another "))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_fields_that_differ_are_named() {
        let user = User {
            user_uuid: Uuid::from_u128(1),
            username: "ann".to_owned(),
            name: "Ann".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
        };
        for (uuid, username, name, expected) in [
            (None, "ann", "Ann", None),
            (Some(1), "ann", "Ann", None),
            (None, "ann", "Anne", Some("username is recorded with another name")),
            (Some(1), "ann", "", Some("username is recorded with another name")),
            (Some(2), "ann", "Ann", Some("username is recorded with another user_uuid")),
            (
                Some(2),
                "ann",
                "Bob",
                Some("username is recorded with another user_uuid and another name"),
            ),
            (Some(1), "bob", "Ann", Some("user_uuid is recorded with another username")),
            (
                Some(1),
                "bob",
                "Bob",
                Some("user_uuid is recorded with another username and another name"),
            ),
        ] {
            let new = NewUser {
                user_uuid: uuid.map(Uuid::from_u128),
                username: username.to_owned(),
                name: name.to_owned(),
            };
            let found = (!is_same(&new, &user)).then(|| difference(&new, &user));
            assert_eq!(found.as_deref(), expected, "{new:?}");
        }
    }
}
