//! Ids of accounts by their keys, kept in memory once found: accounts are never deleted,
//! renumbered or renamed.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    domain::account::AccountKey,
    store::{Database, StoreError, statement::statement},
};

/// Accounts that each of two generations keeps: bounds the memory.
const GENERATION_MAX: usize = 50_000;

/// The accounts that the database knows.
#[derive(Clone)]
pub struct AccountIds {
    database: Database,
    kept: Arc<Mutex<Kept>>,
}

/// The younger generation has what was asked for lately. When it is full it takes the place
/// of the older one, and what is asked for again comes over.
#[derive(Default)]
struct Kept {
    young: HashMap<AccountKey, i64>,
    old: HashMap<AccountKey, i64>,
}

impl Kept {
    fn get(&mut self, key: &AccountKey) -> Option<i64> {
        if let Some(&id) = self.young.get(key) {
            return Some(id);
        }
        let (key, id) = self.old.remove_entry(key)?;
        self.put(key, id);
        Some(id)
    }

    fn put(&mut self, key: AccountKey, id: i64) {
        if self.young.len() >= GENERATION_MAX {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, id);
    }
}

impl AccountIds {
    /// The accounts of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, kept: Arc::default() }
    }

    /// The ids of these accounts, in their order; `None` for one that is not recorded.
    ///
    /// # Errors
    /// If not all are in memory and the database cannot be asked.
    pub async fn find(&self, keys: &[&AccountKey]) -> Result<Vec<Option<i64>>, StoreError> {
        let mut ids: Vec<Option<i64>> = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            keys.iter().map(|key| kept.get(key)).collect()
        };
        let mut places: HashMap<&AccountKey, Vec<usize>> = HashMap::new();
        for (place, _) in ids.iter().enumerate().filter(|(_, id)| id.is_none()) {
            places.entry(keys[place]).or_default().push(place);
        }
        if places.is_empty() {
            return Ok(ids);
        }
        let wanted: Vec<&AccountKey> = places.keys().copied().collect();
        let (networks, addresses) = columns(&wanted);
        let statement = statement!("account_ids_find");
        let answer = self.database.read(statement, &[&networks, &addresses]).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for row in &answer.value {
            // Ordinals count from one.
            let place = usize::try_from(row.get::<_, i64>("place") - 1).ok();
            let Some(&key) = place.and_then(|place| wanted.get(place)) else { continue };
            let id: i64 = row.get("account_id");
            for &place in &places[key] {
                ids[place] = Some(id);
            }
            kept.put(key.clone(), id);
        }
        Ok(ids)
    }

    /// Records those of these accounts that are missing.
    ///
    /// # Errors
    /// If the database refuses; then none of them is recorded.
    pub async fn create(&self, keys: &[&AccountKey]) -> Result<(), StoreError> {
        let (networks, addresses) = columns(keys);
        let statement = statement!("account_ids_create");
        self.database.read(statement, &[&networks, &addresses]).await.map(drop)
    }
}

fn columns<'a>(keys: &[&'a AccountKey]) -> (Vec<&'a str>, Vec<&'a str>) {
    keys.iter().map(|key| (key.network().as_str(), key.address().as_str())).unzip()
}
