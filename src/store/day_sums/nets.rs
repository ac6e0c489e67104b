//! What all accounts received less what they sent: both sides of a window at once, group of
//! accounts by group, so that nothing is looked up for a part of a cell.

use tokio_postgres::Row;

use super::DaySums;
use crate::{
    domain::{
        holders::Nets,
        running_total::{
            cell::{self, CellHead},
            day_cells::{GROUP_ACCOUNTS, group_of},
            sums::{ScaledSums, Sums},
            whole::Whole,
        },
    },
    store::StoreError,
};

/// What is added for some accounts of a group.
#[derive(Clone, Copy)]
enum Addend<'a> {
    /// The cell of a span of days.
    Cell(&'a DaySums, &'a Row),
    /// What one account has beside cells.
    Other(i64, &'a ScaledSums),
}

/// What every account that took part received less what it sent; `None` if these are more than
/// `accounts_max`.
///
/// `beyond` is what rows add that lie in the window and do not count: an account and what it
/// received less what it sent.
pub(crate) fn nets(
    received: &DaySums,
    sent: &DaySums,
    beyond: &[(i64, ScaledSums)],
    accounts_max: u64,
) -> Result<Option<Nets>, StoreError> {
    let scale = beyond.iter().map(|(_, sums)| sums.scale).max().unwrap_or(0);
    let scale = scale.max(received.scale()?).max(sent.scale()?);
    let mut addends: Vec<(i64, bool, Addend<'_>)> = Vec::new();
    for (sums, is_taken) in [(received, false), (sent, true)] {
        for row in &sums.cells {
            addends.push((row.get("account_group"), is_taken, Addend::Cell(sums, row)));
        }
        let others = sums.others.iter();
        addends.extend(others.map(|(account_id, sums)| {
            (group_of(*account_id), is_taken, Addend::Other(*account_id, sums))
        }));
    }
    addends.extend(
        beyond.iter().map(|(account_id, sums)| {
            (group_of(*account_id), true, Addend::Other(*account_id, sums))
        }),
    );
    addends.sort_unstable_by_key(|(group, ..)| *group);
    let mut nets = Nets { scale, accounts: Vec::new() };
    for addends in addends.chunk_by(|(one, ..), (next, ..)| one == next) {
        add_group(addends, &mut nets)?;
        if u64::try_from(nets.accounts.len()).is_ok_and(|count| count > accounts_max) {
            return Ok(None);
        }
    }
    Ok(Some(nets))
}

/// Adds up one group, whose accounts each have a place of their own.
fn add_group(addends: &[(i64, bool, Addend<'_>)], nets: &mut Nets) -> Result<(), StoreError> {
    let places = usize::try_from(GROUP_ACCOUNTS).unwrap_or(0);
    let mut amounts: Vec<Option<Whole>> = vec![None; places];
    let scale = nets.scale;
    for (_, is_taken, addend) in addends {
        let mut add = |account_id: i64, own_scale: u32, sums: &Sums| {
            let place = account_id.rem_euclid(GROUP_ACCOUNTS);
            let place = usize::try_from(place).ok().and_then(|place| amounts.get_mut(place));
            let Some(place) = place else { return };
            let shifted;
            let amount = match scale - own_scale {
                0 => &sums.sum,
                digits => {
                    shifted = sums.sum.shifted(digits);
                    &shifted
                }
            };
            let before = place.as_ref().unwrap_or(&Whole::ZERO);
            *place = Some(if *is_taken { before.minus(amount) } else { before.plus(amount) });
        };
        match addend {
            Addend::Other(account_id, sums) => add(*account_id, sums.scale, &sums.sums),
            Addend::Cell(of, row) => {
                let _: CellHead = cell::visit(row.get("cell"), |own_scale, part| {
                    add(part.key, own_scale, &part.sums);
                    true
                })
                .map_err(|_| of.damaged(row))?;
            }
        }
    }
    let first = addends.first().map_or(0, |(group, ..)| group.saturating_mul(GROUP_ACCOUNTS));
    let numbered = (first..).zip(amounts);
    nets.accounts.extend(numbered.filter_map(|(account_id, amount)| Some((account_id, amount?))));
    Ok(())
}
