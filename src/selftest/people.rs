//! Users, accounts and assets: made at the beginning, and a few more in time.

use crate::{
    analytics::Analytics,
    domain::account::INTERNAL_NETWORK,
    error::Error,
    selftest::{
        draws::Draws,
        oracle::{Oracle, OracleAccount, OracleUser},
        rounds::{Run, own_fault},
    },
    store::selftest::Outsider,
};

/// Users and other accounts at the beginning, and at most.
const USERS: usize = 8;
const USERS_MAX: usize = 24;
const ACCOUNTS: usize = 12;
const ACCOUNTS_MAX: usize = 60;

/// Assets beside the seeded one, with their decimals.
const ASSETS: [(&str, i16); 4] = [("WHOLE", 0), ("COIN", 8), ("TOKEN", 18), ("DUST", 24)];

/// Makes those of the beginning.
pub(super) async fn begin(
    control: &mut Outsider,
    analytics: &Analytics,
    draws: &mut Draws,
) -> Result<Oracle, Error> {
    let mut oracle = Oracle::default();
    for (code, decimals) in ASSETS {
        control.add_asset(code, decimals).await?;
    }
    for code in ["", "WHOLE", "COIN", "TOKEN", "DUST"] {
        let found = analytics.find_asset(code).await?;
        oracle.assets.push(found.ok_or_else(|| own_fault("an asset is missing"))?);
    }
    for _ in 0..USERS {
        add_user(control, draws, &mut oracle).await?;
    }
    for _ in 0..ACCOUNTS {
        add_account(control, draws, &mut oracle).await?;
    }
    Ok(oracle)
}

/// Adds a user or an account, if there are not enough.
pub(super) async fn add(run: &mut Run<'_>) -> Result<(), Error> {
    let (users, accounts) = (run.oracle.users.len(), run.oracle.accounts.len());
    if run.draws.is(0.5) && users < USERS_MAX {
        run.number("user added");
        add_user(&mut run.control, &mut run.draws, &mut run.oracle).await?;
    } else if accounts < ACCOUNTS_MAX {
        run.number("account added");
        add_account(&mut run.control, &mut run.draws, &mut run.oracle).await?;
    }
    Ok(())
}

async fn add_user(
    control: &mut Outsider,
    draws: &mut Draws,
    oracle: &mut Oracle,
) -> Result<(), Error> {
    let (user_uuid, place) = (draws.id(), oracle.users.len());
    let username = format!("{}{place}", ["a", "B", "é", "_"][place % 4]);
    let (user_id, account_id) = control.add_user(user_uuid, &username).await?;
    let address = user_uuid.to_string();
    let network = INTERNAL_NETWORK;
    let payments = oracle.add_account(OracleAccount { network, address, account_id });
    let wallets = [payments].into();
    oracle.users.push(OracleUser { user_uuid, user_id, payments, wallets });
    Ok(())
}

async fn add_account(
    control: &mut Outsider,
    draws: &mut Draws,
    oracle: &mut Oracle,
) -> Result<(), Error> {
    let place = oracle.accounts.len();
    let network = ["bank", "ether-1"][draws.index(2)];
    let address = format!("{}-{place}", ["x", "X", "ž", " "][place % 4]);
    let account_id = control.add_account(network, &address).await?;
    oracle.add_account(OracleAccount { network, address, account_id });
    Ok(())
}
