//! Accounts and assets that rows name and that are not recorded, but may be, with them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    domain::{
        account::{AccountKey, INTERNAL_NETWORK},
        asset::Asset,
        refusal::{Fault, RefusalReason},
        transaction::{KeyedTransaction, NewTransaction, RowRules},
    },
    ingest::RecordOptions,
};

/// What an asset must be.
pub(super) const UNKNOWN_ASSET: &str = "must be the code of a recorded asset";

/// Accounts and assets that rows name and that are not recorded, but may be: each with a key
/// below zero, which stands in candidates until it has its own. Rows that name the same
/// stranger have the same key.
pub(super) struct Strangers<'a> {
    pub(super) options: &'a RecordOptions,
    pub(super) accounts: BTreeMap<AccountKey, i64>,
    pub(super) assets: BTreeMap<Arc<str>, (i32, u32)>,
}

impl<'a> Strangers<'a> {
    pub(super) fn new(options: &'a RecordOptions) -> Self {
        Self { options, accounts: BTreeMap::new(), assets: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.assets.is_empty()
    }

    /// The row with keys, or what is wrong with it.
    pub(super) fn keyed(
        &mut self,
        row: NewTransaction,
        transaction_id: Uuid,
        asset: Option<&Asset>,
        ids: [Option<i64>; 2],
    ) -> Result<KeyedTransaction, Fault> {
        if let Some(fault) = row.fault(self.options.rules) {
            return Err(fault);
        }
        let (asset_id, asset_decimals) = match asset {
            Some(asset) => (asset.asset_id, asset.decimals),
            None => self.asset(&row.asset_code).ok_or_else(|| Fault {
                reason: RefusalReason::UnknownAsset,
                field: "asset",
                message: UNKNOWN_ASSET.to_owned(),
            })?,
        };
        if self.options.rules == RowRules::New && row.amount.parts().1 > asset_decimals {
            return Err(Fault {
                reason: RefusalReason::WrongField,
                field: "amount",
                message: format!("must have at most {asset_decimals} decimals, as its asset has"),
            });
        }
        let sender_id = ids[0].or_else(|| self.account(&row.sender));
        let receiver_id = ids[1].or_else(|| self.account(&row.receiver));
        Ok(KeyedTransaction {
            transaction_id,
            occurred_at: row.occurred_at,
            position: row.position,
            asset_id,
            asset_decimals,
            sender_id: sender_id.ok_or_else(|| unknown_account("sender"))?,
            receiver_id: receiver_id.ok_or_else(|| unknown_account("receiver"))?,
            amount: row.amount,
            reference: row.reference,
        })
    }

    fn account(&mut self, key: &AccountKey) -> Option<i64> {
        if !self.options.create_accounts || key.network().as_str() == INTERNAL_NETWORK {
            return None;
        }
        let next = -1 - i64::try_from(self.accounts.len()).ok()?;
        Some(*self.accounts.entry(key.clone()).or_insert(next))
    }

    fn asset(&mut self, code: &Arc<str>) -> Option<(i32, u32)> {
        let &decimals = self.options.new_assets.get(code)?;
        let next = -1 - i32::try_from(self.assets.len()).ok()?;
        Some(*self.assets.entry(Arc::clone(code)).or_insert((next, decimals)))
    }
}

/// Gives a row the keys that its strangers have by now.
pub(super) fn introduce(
    row: &mut KeyedTransaction,
    account_ids: &HashMap<i64, Option<i64>>,
    assets: &HashMap<i32, Result<Asset, Fault>>,
) -> Result<(), Fault> {
    if row.asset_id < 0 {
        row.asset_id = match assets.get(&row.asset_id) {
            Some(Ok(asset)) => asset.asset_id,
            Some(Err(fault)) => return Err(fault.clone()),
            None => return Ok(()),
        };
    }
    for (field, id) in [("sender", &mut row.sender_id), ("receiver", &mut row.receiver_id)] {
        if *id < 0 {
            *id = account_ids.get(id).copied().flatten().ok_or_else(|| unknown_account(field))?;
        }
    }
    Ok(())
}

fn unknown_account(field: &'static str) -> Fault {
    let message = "must be a recorded account".to_owned();
    Fault { reason: RefusalReason::UnknownAccount, field, message }
}
