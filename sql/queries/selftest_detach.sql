-- Takes a day off the parent; its rows stay in the table {leaf}.
ALTER TABLE transactions DETACH PARTITION {leaf}
