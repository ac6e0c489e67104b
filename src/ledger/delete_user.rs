//! Deleting users.

use uuid::Uuid;

use crate::{
    domain::{access::Identity, account::AccountKey},
    error::{Error, ErrorKind, Obstacle},
    ledger::{
        Ledger,
        holdings::{assets_held, holdings},
    },
    store::{
        Reader, access_tokens,
        audit_log::note,
        delete_user::{self, UserFacts},
        tx::PooledTx,
    },
};

impl Ledger {
    /// Deletes a user and what wallets the user tracked. The payments account and its
    /// transactions stay; if there are any, that must be wished for by `anonymise`.
    ///
    /// # Errors
    /// `NotFound` for a UUID that never was a user's; `InTheWay` where transactions are in
    /// the way; what the database says.
    pub async fn delete_user(
        &self,
        user_uuid: Uuid,
        anonymise: bool,
        by: &Identity,
    ) -> Result<(), Error> {
        let tx = PooledTx::begin(&self.database, "delete_user").await?;
        let facts = delete_user::lock_user(&tx, user_uuid).await?;
        match look(&tx, user_uuid, facts, anonymise).await? {
            Outlook::Free(user_id) => {
                delete_user::delete_user(&tx, user_id).await?;
                access_tokens::revoke_user(&tx, user_uuid).await?;
                note(&tx, by, "delete user", &user_uuid.to_string()).await?;
                tx.commit().await?;
                Ok(())
            }
            Outlook::Gone => Ok(tx.roll_back().await?),
            Outlook::Refused(kind) => {
                tx.roll_back().await?;
                Err(Error::new(kind))
            }
        }
    }
}

/// Whether a user can be deleted.
enum Outlook {
    /// The user of this key can.
    Free(i64),
    /// The user was.
    Gone,
    /// The user cannot, for this reason.
    Refused(ErrorKind),
}

async fn look(
    tx: &PooledTx,
    user_uuid: Uuid,
    facts: UserFacts,
    anonymise: bool,
) -> Result<Outlook, Error> {
    let Some(user_id) = facts.user_id else {
        let unknown = Outlook::Refused(ErrorKind::NotFound("user"));
        return Ok(if facts.is_deleted { Outlook::Gone } else { unknown });
    };
    let refused = |kind, description| {
        let subject = user_uuid.to_string();
        Outlook::Refused(ErrorKind::InTheWay(Obstacle { kind, subject, description }))
    };
    if anonymise {
        return Ok(Outlook::Free(user_id));
    }
    if facts.is_seeding {
        let description = "transactions are still being seeded: they are not counted yet";
        return Ok(refused("SEEDING_UNFINISHED", description.to_owned()));
    }
    let (received, sent) = match facts.account_id {
        Some(account_id) => transaction_counts(tx, user_uuid, account_id).await?,
        None => (0, 0),
    };
    if (received, sent) == (0, 0) {
        return Ok(Outlook::Free(user_id));
    }
    let description = format!(
        "the user's payments account received {received} and sent {sent} transactions: with \
         anonymise the user goes and they stay"
    );
    Ok(refused("USER_HAS_TRANSACTIONS", description))
}

/// How many transactions a payments account received and sent, of all assets.
async fn transaction_counts(
    tx: &PooledTx,
    user_uuid: Uuid,
    account_id: i64,
) -> Result<(i64, i64), Error> {
    let reader = Reader::Tx(tx);
    let held = assets_held(reader, &[account_id], usize::MAX).await?;
    let account = AccountKey::payments(user_uuid);
    let assets = held.first().map(|held| held.assets.as_slice()).unwrap_or_default();
    let holdings = holdings(reader, &[(&account, assets)]).await?;
    let holdings = holdings.iter().flatten();
    Ok(holdings.fold((0, 0), |(received, sent), held| {
        (received + held.received.count, sent + held.sent.count)
    }))
}
