-- Keeps all writers out until the end of the tx, so that what is empty stays so.
LOCK TABLE users, accounts, user_wallets, transactions, transaction_ids, seed_runs
    IN SHARE ROW EXCLUSIVE MODE
