//! Who holds a token: what every account received less what it sent, put in order.
//!
//! Pure: accounts are numbers here. Those of equal balances stand in no order: only their
//! addresses say which comes first, and nobody wants to look up all of them.

use crate::domain::{decimal::Decimal, running_total::whole::Whole};

/// Decimals of shares and changes in percent.
pub const PERCENT_DECIMALS: u32 = 6;

/// What accounts received less what they sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Nets {
    /// Digits behind the point.
    pub scale: u32,
    /// Every account that took part, once, ascending, as whole numbers of `1 / 10^scale`.
    pub accounts: Vec<(i64, Whole)>,
}

impl Nets {
    /// An amount as an exact decimal.
    #[must_use]
    pub fn decimal(&self, amount: &Whole) -> Decimal {
        Decimal::new(amount.to_big(), self.scale)
    }

    /// Number of accounts with more than nothing, and of those with less, the zero account apart.
    #[must_use]
    pub fn counts(&self, zero_account_id: Option<i64>) -> (usize, usize) {
        let own = self.accounts.iter().filter(|(account, _)| Some(*account) != zero_account_id);
        own.fold((0, 0), |(holders, negative), (_, net)| {
            let (is_above, is_below) = (*net > Whole::ZERO, *net < Whole::ZERO);
            (holders + usize::from(is_above), negative + usize::from(is_below))
        })
    }
}

/// Accounts by balance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holders {
    /// What was minted less what was burnt: what the zero account sent less what it received.
    pub supply: Decimal,
    /// Sum of the balances of all holders.
    pub balance_sum: Decimal,
    /// Sum of the balances below zero.
    pub negative_sum: Decimal,
    scale: u32,
    /// Balances above zero, largest first.
    holders: Vec<(i64, Whole)>,
    /// Balances below zero, farthest from zero first.
    negative: Vec<(i64, Whole)>,
}

impl Holders {
    /// Puts accounts in order. `zero_account_id` is the account that mints come from and burns go
    /// to, which holds nothing.
    #[must_use]
    pub fn new(nets: Nets, zero_account_id: Option<i64>) -> Self {
        let Nets { scale, accounts } = nets;
        let (mut holders, mut negative) = (Vec::with_capacity(accounts.len()), Vec::new());
        let mut sums = [Whole::ZERO, Whole::ZERO, Whole::ZERO];
        for (account_id, net) in accounts {
            let [supply, positive, below] = &mut sums;
            if Some(account_id) == zero_account_id {
                *supply = net.negated();
            } else if net > Whole::ZERO {
                *positive = positive.plus(&net);
                holders.push((account_id, net));
            } else if net < Whole::ZERO {
                *below = below.plus(&net);
                negative.push((account_id, net));
            }
        }
        holders.sort_unstable_by(|(_, a), (_, b)| b.cmp(a));
        negative.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
        let [supply, balance_sum, negative_sum] = sums.map(|sum| Decimal::new(sum.to_big(), scale));
        Self { supply, balance_sum, negative_sum, scale, holders, negative }
    }

    /// Number of holders.
    #[must_use]
    pub fn count(&self) -> usize {
        self.holders.len()
    }

    /// Number of accounts that sent more than they received.
    #[must_use]
    pub fn negative_count(&self) -> usize {
        self.negative.len()
    }

    /// Whose addresses decide about the `size` accounts that sent more than they received which
    /// are farthest below zero: them, with all who lack as much as one of them.
    #[must_use]
    pub fn negative_candidates(&self, size: usize) -> Candidates {
        rank(&self.negative, 0, 0, size)
    }

    /// The balance of the accounts below zero of a rank, as [`Candidates`] have it.
    #[must_use]
    pub fn negative_at(&self, rank: i64) -> Decimal {
        self.balance_of(&self.negative, rank)
    }

    /// Holders in order, with their balances: those of equal balances in no order.
    pub fn in_order(&self) -> impl ExactSizeIterator<Item = (i64, Decimal)> {
        self.holders.iter().map(|(account_id, net)| (*account_id, self.decimal(net)))
    }

    /// Whose addresses decide about a page of `size` holders behind one with the balance `after`,
    /// or from the first one on, and about whether there is another page: everybody who could be
    /// on it, with all who hold as much as one of them.
    #[must_use]
    pub fn candidates(&self, after: Option<&Decimal>, size: usize) -> Candidates {
        let all = &self.holders;
        let start = after.map_or(0, |after| self.first_not_above(after));
        let tied = match (after, all.get(start)) {
            (Some(after), Some((_, first))) if self.decimal(first) == *after => {
                all.partition_point(|(_, net)| net >= first) - start
            }
            (Some(_) | None, _) => 0,
        };
        rank(all, start, tied, size.saturating_add(1))
    }

    /// The balance of the holders of a rank, as [`Candidates`] have it.
    #[must_use]
    pub fn balance_at(&self, rank: i64) -> Decimal {
        self.balance_of(&self.holders, rank)
    }

    /// A balance's share of the supply in percent; `None` without a supply.
    #[must_use]
    pub fn share(&self, balance: &Decimal) -> Option<Decimal> {
        percent(balance, &self.supply)
    }

    fn first_not_above(&self, balance: &Decimal) -> usize {
        self.holders.partition_point(|(_, net)| self.decimal(net) > *balance)
    }

    fn balance_of(&self, accounts: &[(i64, Whole)], rank: i64) -> Decimal {
        let place = usize::try_from(rank.saturating_sub(1)).ok();
        let account = place.and_then(|place| accounts.get(place));
        account.map_or_else(Decimal::zero, |(_, net)| self.decimal(net))
    }

    fn decimal(&self, amount: &Whole) -> Decimal {
        Decimal::new(amount.to_big(), self.scale)
    }
}

/// The accounts from a place on that come first: those that are tied with what was before, `size`
/// more, and all that are equal to the last of them.
fn rank(accounts: &[(i64, Whole)], start: usize, tied: usize, size: usize) -> Candidates {
    let rest = &accounts[start..];
    let wanted = tied.saturating_add(size).min(rest.len());
    let equal = rest[..wanted]
        .last()
        .map_or(0, |(_, last)| rest[wanted..].iter().take_while(|(_, net)| net == last).count());
    let mut candidates = Candidates { tied, ..Candidates::default() };
    let mut last = None;
    for (place, (account_id, net)) in rest[..wanted + equal].iter().enumerate() {
        let rank = match last {
            Some((before, rank)) if before == net => rank,
            Some(_) | None => start + place + 1,
        };
        last = Some((net, rank));
        candidates.account_ids.push(*account_id);
        candidates.ranks.push(i64::try_from(rank).unwrap_or(i64::MAX));
    }
    candidates
}

/// Accounts that may stand on a page.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Candidates {
    /// The accounts, those of lower ranks first.
    pub account_ids: Vec<i64>,
    /// The competition rank of each ("1, 2, 2, 4"): equal balances share one.
    pub ranks: Vec<i64>,
    /// How many of them, at the beginning, hold as much as the holder whom the page is behind.
    pub tied: usize,
}

/// How much `change` is of what was there before it, in percent; `None` if there was nothing.
#[must_use]
pub fn change_percent(balance: &Decimal, change: &Decimal) -> Option<Decimal> {
    percent(change, &balance.minus(change))
}

/// A part of a positive whole in percent, rounded half-even to [`PERCENT_DECIMALS`].
fn percent(part: &Decimal, whole: &Decimal) -> Option<Decimal> {
    if !whole.is_positive() {
        return None;
    }
    let hundredfold = part.times(&Decimal::from(100));
    Decimal::rounded_quotient(&hundredfold, whole, PERCENT_DECIMALS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nets(balances: &[i64]) -> Nets {
        let account = |(place, &balance): (usize, &i64)| {
            (i64::try_from(place).unwrap(), Whole::Small(balance.into()))
        };
        Nets { scale: 2, accounts: balances.iter().enumerate().map(account).collect() }
    }

    #[test]
    fn the_supply_is_what_the_zero_account_lacks() {
        let all = nets(&[-900, 500, 0, -100, 500, 25]);
        assert_eq!(all.counts(Some(0)), (3, 1));
        assert_eq!(all.counts(None), (3, 2));
        let holders = Holders::new(all, Some(0));
        let number = |text| Decimal::parse(text).unwrap();
        assert_eq!(holders.supply, number("9"));
        assert_eq!(holders.balance_sum, number("10.25"));
        assert_eq!(holders.negative_sum, number("-1"));
        assert_eq!((holders.count(), holders.negative_count()), (3, 1));
        let negative = holders.negative_candidates(9);
        assert_eq!((negative.account_ids, negative.ranks), (vec![3], vec![1]));
        assert_eq!(holders.negative_at(1), number("-1"));
        assert_eq!(holders.share(&number("3")), Some(number("33.333333")));
        assert_eq!(Holders::new(nets(&[1]), None).share(&number("1")), None);
        assert_eq!(change_percent(&number("3"), &number("1")), Some(number("50")));
        assert_eq!(change_percent(&number("3"), &number("3")), None);
        assert_eq!(change_percent(&number("1"), &number("3")), None);
    }

    proptest! {
        /// With the account as its address, pages concatenate to all holders in order.
        #[test]
        fn candidates_decide_every_page(
            balances in proptest::collection::vec(-3i64..6, 0..40),
            size in 1usize..7,
        ) {
            let holders = Holders::new(nets(&balances), None);
            let mut expected: Vec<_> = holders.in_order().map(|(id, net)| (net, id)).collect();
            expected.sort_by(|(a, one), (b, next)| b.cmp(a).then(one.cmp(next)));
            let (mut found, mut last, mut has_more) = (Vec::new(), None::<(Decimal, i64)>, true);
            while has_more {
                let after = last.as_ref().map(|(balance, _)| balance);
                let candidates = holders.candidates(after, size);
                let Candidates { account_ids, ranks, tied } = &candidates;
                let mut page: Vec<_> = ranks.iter().copied().zip(account_ids.iter().copied())
                    .enumerate()
                    .filter(|(place, (_, id))| {
                        place >= tied || last.as_ref().is_none_or(|(_, last)| id > last)
                    })
                    .map(|(_, row)| row)
                    .collect();
                page.sort_unstable();
                has_more = page.len() > size;
                page.truncate(size);
                for &(rank, id) in &page {
                    let balance = holders.balance_at(rank);
                    let above = expected.iter().filter(|(other, _)| *other > balance).count();
                    prop_assert_eq!(rank, i64::try_from(above).unwrap() + 1);
                    found.push((balance, id));
                }
                last = found.last().cloned();
            }
            prop_assert_eq!(found, expected);
        }
    }
}
