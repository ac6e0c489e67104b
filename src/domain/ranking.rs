//! Competition ranking ("1, 2, 2, 4") in a deterministic order.
//!
//! Members with equal values share a rank and stand in the order of their keys;
//! members whose value is undefined come last and share a rank. Values are
//! compared as they are shown, after rounding: equal answers never have
//! different ranks.

use std::cmp::Ordering;

use crate::domain::decimal::Decimal;

/// Which end of a ranking comes first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RankOrder {
    /// Largest value first.
    Top,
    /// Smallest value first.
    Bottom,
}

/// Something that is ranked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member<K> {
    /// Unique key, which also orders members of equal value.
    pub key: K,
    /// What the rank compares; `None` where it is undefined.
    pub value: Option<Decimal>,
    /// Number of the member's transactions.
    pub transaction_count: i64,
}

/// Where a ranking goes on: behind the member of this value and key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RankCursor<K> {
    /// Value of the last member of the page before.
    pub value: Option<Decimal>,
    /// Key of the last member of the page before.
    pub key: K,
}

/// A ranked population.
#[derive(Debug)]
pub struct Ranking<K> {
    order: RankOrder,
    members: Vec<Member<K>>,
    ranks: Vec<usize>,
}

impl<K: Ord> Ranking<K> {
    /// Ranks the members.
    #[must_use]
    pub fn new(order: RankOrder, members: Vec<Member<K>>) -> Self {
        // All at the scale of the one that has most decimals: most are compared as two words.
        let scale = members.iter().filter_map(|member| Some(member.value.as_ref()?.parts().1));
        let scale = scale.max().unwrap_or(0);
        let mut members: Vec<(Option<i128>, Member<K>)> = members
            .into_iter()
            .map(|member| (member.value.as_ref().and_then(|value| value.small_at(scale)), member))
            .collect();
        members.sort_unstable_by(|(small_a, a), (small_b, b)| match (small_a, small_b, order) {
            (Some(x), Some(y), RankOrder::Top) => y.cmp(x).then_with(|| a.key.cmp(&b.key)),
            (Some(x), Some(y), RankOrder::Bottom) => x.cmp(y).then_with(|| a.key.cmp(&b.key)),
            _ => compare(order, (a.value.as_ref(), &a.key), (b.value.as_ref(), &b.key)),
        });
        let members: Vec<Member<K>> = members.into_iter().map(|(_, member)| member).collect();
        let mut ranks = Vec::with_capacity(members.len());
        for (place, member) in members.iter().enumerate() {
            let rank = match (place.checked_sub(1), ranks.last()) {
                (Some(before), Some(&rank)) if members[before].value == member.value => rank,
                _ => place + 1,
            };
            ranks.push(rank);
        }
        Self { order, members, ranks }
    }

    /// Number of members.
    #[must_use]
    pub fn population_size(&self) -> usize {
        self.members.len()
    }

    /// Up to `size` members with their ranks, from the start or behind the
    /// cursor, and whether there are more.
    pub fn page(
        &self,
        after: Option<&RankCursor<K>>,
        size: usize,
    ) -> (impl Iterator<Item = (usize, &Member<K>)>, bool) {
        let start = after.map_or(0, |cursor| {
            let last = (cursor.value.as_ref(), &cursor.key);
            self.members.partition_point(|member| {
                compare(self.order, (member.value.as_ref(), &member.key), last) != Ordering::Greater
            })
        });
        let end = start.saturating_add(size).min(self.members.len());
        let rows = self.ranks[start..end].iter().copied().zip(&self.members[start..end]);
        (rows, end < self.members.len())
    }

    /// The first member whose key fits, with its rank.
    pub fn find_by(&self, fits: impl Fn(&K) -> bool) -> Option<(usize, &Member<K>)> {
        let place = self.members.iter().position(|member| fits(&member.key))?;
        Some((self.ranks[place], &self.members[place]))
    }
}

fn compare<K: Ord>(
    order: RankOrder,
    (value_a, key_a): (Option<&Decimal>, &K),
    (value_b, key_b): (Option<&Decimal>, &K),
) -> Ordering {
    let by_value = match (value_a, value_b, order) {
        (Some(a), Some(b), RankOrder::Top) => b.cmp(a),
        (Some(a), Some(b), RankOrder::Bottom) => a.cmp(b),
        (a, b, _) => b.is_some().cmp(&a.is_some()),
    };
    by_value.then_with(|| key_a.cmp(key_b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(values: &[Option<i64>]) -> Vec<Member<usize>> {
        let member = |(key, value): (usize, &Option<i64>)| Member {
            key,
            value: value.map(Decimal::from),
            transaction_count: 1,
        };
        values.iter().enumerate().map(member).collect()
    }

    fn places(ranking: &Ranking<usize>) -> Vec<(usize, usize)> {
        ranking.page(None, usize::MAX).0.map(|(rank, member)| (rank, member.key)).collect()
    }

    #[test]
    fn equal_values_share_a_rank_and_undefined_ones_come_last() {
        let values = [Some(5), None, Some(9), Some(5), Some(1), None];
        let top = Ranking::new(RankOrder::Top, members(&values));
        assert_eq!(places(&top), [(1, 2), (2, 0), (2, 3), (4, 4), (5, 1), (5, 5)]);
        let bottom = Ranking::new(RankOrder::Bottom, members(&values));
        assert_eq!(places(&bottom), [(1, 4), (2, 0), (2, 3), (4, 2), (5, 1), (5, 5)]);
        assert_eq!(bottom.find_by(|&key| key == 2).map(|(rank, _)| rank), Some(4));
        assert_eq!(bottom.find_by(|&key| key == 7).map(|(rank, _)| rank), None);
    }

    proptest! {
        #[test]
        fn values_stand_in_their_order_however_many_digits_they_have(
            values in proptest::collection::vec(
                proptest::option::of((prop_oneof![any::<i128>(), -3i128..4], 0u32..30)), 0..20),
            bottom in any::<bool>(),
        ) {
            let value = |(unscaled, scale)| Decimal::of_small(unscaled, scale);
            let values: Vec<Option<Decimal>> =
                values.into_iter().map(|parts| parts.map(value)).collect();
            let order = if bottom { RankOrder::Bottom } else { RankOrder::Top };
            let members = values.iter().enumerate().map(|(key, value)| {
                Member { key, value: value.clone(), transaction_count: 1 }
            });
            let ranking = Ranking::new(order, members.collect());
            let found: Vec<usize> = ranking.members.iter().map(|member| member.key).collect();
            let mut expected: Vec<usize> = (0..values.len()).collect();
            expected.sort_by(|a, b| {
                compare(order, (values[*a].as_ref(), a), (values[*b].as_ref(), b))
            });
            prop_assert_eq!(found, expected);
            for (place, rank) in ranking.ranks.iter().enumerate() {
                let value = &ranking.members[place].value;
                let first = ranking.members.iter().position(|member| member.value == *value);
                prop_assert_eq!(Some(rank - 1), first);
            }
        }

        #[test]
        fn pages_concatenate_to_the_whole(
            values in proptest::collection::vec(proptest::option::of(-3i64..3), 0..40),
            size in 1usize..7,
            bottom in any::<bool>(),
        ) {
            let order = if bottom { RankOrder::Bottom } else { RankOrder::Top };
            let ranking = Ranking::new(order, members(&values));
            let (mut found, mut cursor, mut more) = (Vec::new(), None, true);
            while more {
                let (rows, has_more) = ranking.page(cursor.as_ref(), size);
                let rows: Vec<_> = rows.map(|(rank, m)| (rank, m.key, m.value.clone())).collect();
                cursor = rows.last().map(|(_, key, value)| RankCursor {
                    value: value.clone(),
                    key: *key,
                });
                found.extend(rows.into_iter().map(|(rank, key, _)| (rank, key)));
                more = has_more;
            }
            prop_assert_eq!(found, places(&ranking));
        }
    }
}
