//! Accounts and assets that rows name and that are not recorded, but may be, with them.

use std::{collections::BTreeMap, sync::Arc};

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
            Some(asset) => match self.options.new_assets.get(&row.asset_code) {
                // Recorded by others since the caller looked.
                Some(&wanted) if wanted != asset.decimals => return Err(other_decimals(wanted)),
                Some(_) | None => (asset.asset_id, asset.decimals),
            },
            None => self
                .asset(&row.asset_code)
                .ok_or_else(|| asset_fault("must be the code of a recorded asset".to_owned()))?,
        };
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

/// Whether a row names somebody, or something, that is not recorded yet.
pub(super) fn names_stranger(row: &KeyedTransaction) -> bool {
    fault_of_stranger(row).is_some()
}

/// What is wrong with a row that names a stranger when all of them should be recorded: others
/// were faster, and made something else of it.
pub(super) fn fault_of_stranger(row: &KeyedTransaction) -> Option<Fault> {
    if row.asset_id < 0 {
        Some(other_decimals(row.asset_decimals))
    } else if row.sender_id < 0 {
        Some(unknown_account("sender"))
    } else {
        (row.receiver_id < 0).then(|| unknown_account("receiver"))
    }
}

/// What is wrong with a row of an asset that is synced from a chain: it would count beside what the
/// chain says.
pub(super) fn is_synced() -> Fault {
    let message = "must be an asset that is not synced from a chain: its rows are the chain's";
    Fault { reason: RefusalReason::WrongField, field: "asset", message: message.to_owned() }
}

/// What is wrong with an amount that has more decimals than its asset.
pub(super) fn too_fine(row: &KeyedTransaction, rules: RowRules) -> Option<Fault> {
    let decimals = row.asset_decimals;
    (rules == RowRules::New && row.amount.parts().1 > decimals).then(|| Fault {
        reason: RefusalReason::WrongField,
        field: "amount",
        message: format!("must have at most {decimals} decimals, as its asset has"),
    })
}

fn other_decimals(wanted: u32) -> Fault {
    asset_fault(format!("is recorded with other decimals than {wanted}"))
}

fn asset_fault(message: String) -> Fault {
    Fault { reason: RefusalReason::UnknownAsset, field: "asset", message }
}

fn unknown_account(field: &'static str) -> Fault {
    let message = "must be a recorded account".to_owned();
    Fault { reason: RefusalReason::UnknownAccount, field, message }
}
