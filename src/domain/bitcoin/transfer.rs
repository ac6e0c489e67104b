//! The rows that a transaction of the chain becomes: one for each who took part, with the net of
//! what they put in and got out, against the hub; and one for the fee.

use std::collections::BTreeMap;

use num_bigint::BigInt;

use super::{BitcoinTransaction, Owner, Satoshis};
use crate::domain::decimal::Decimal;

/// Decimals of a bitcoin.
pub const DECIMALS: u32 = 8;

/// A row: what one sends to another by a transaction of the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ValueTransfer {
    /// Who sends.
    pub sender: Owner,
    /// Who receives.
    pub receiver: Owner,
    /// How much, in whole bitcoins.
    pub amount: Decimal,
}

impl BitcoinTransaction {
    /// Its rows, in one order whatever that of its inputs and outputs.
    ///
    /// Whoever put in more than they got out sends the difference to the hub, whoever got more
    /// receives it from there; the fee goes from the hub to the fees, and what a coinbase creates
    /// comes from the coinbase to the hub, so that the hub nets to zero. Whoever got out just what
    /// they put in has no row, like a script that only carries data: that a wallet took part is
    /// known by [`Self::involves`].
    #[must_use]
    pub fn rows(&self) -> Vec<ValueTransfer> {
        let mut rows = Vec::new();
        if self.is_coinbase() {
            let created = self.created().iter().map(|coin| i128::from(coin.value.0)).sum();
            rows.extend(row(Owner::Coinbase, Owner::Hub, created));
        }
        for (owner, net) in self.nets() {
            if net > 0 {
                rows.extend(row(Owner::Hub, owner, net));
            } else {
                rows.extend(row(owner, Owner::Hub, -net));
            }
        }
        rows.extend(row(Owner::Hub, Owner::Fees, i128::from(self.fee().0)));
        rows
    }

    /// What each got out less what they put in, in satoshis.
    fn nets(&self) -> BTreeMap<Owner, i128> {
        let mut nets: BTreeMap<Owner, i128> = BTreeMap::new();
        for (coins, sign) in [(self.spent(), -1), (self.created(), 1)] {
            for coin in coins {
                let net = nets.entry(coin.owner.clone()).or_default();
                *net += sign * i128::from(coin.value.0);
            }
        }
        nets
    }
}

impl Satoshis {
    /// The same in whole bitcoins, exactly.
    #[must_use]
    pub fn to_bitcoins(self) -> Decimal {
        Decimal::new(BigInt::from(self.0), DECIMALS)
    }
}

/// A row of so many satoshis, unless they are none.
fn row(sender: Owner, receiver: Owner, satoshis: i128) -> Option<ValueTransfer> {
    let amount = Decimal::new(BigInt::from(satoshis), DECIMALS);
    (satoshis != 0).then_some(ValueTransfer { sender, receiver, amount })
}
