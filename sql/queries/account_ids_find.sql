-- Ids of the accounts with these networks ($1 text[]) and addresses ($2 text[]), by their
-- places in the arrays. Uses the unique index on both.
SELECT w.place, a.account_id
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (network, address, place)
JOIN accounts a ON a.network = w.network AND a.address = w.address
