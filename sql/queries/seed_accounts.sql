-- Payments accounts of the users $1 (uuid[]), in the order of the array.
SELECT a.account_id
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (user_uuid, place)
JOIN accounts a ON a.network = 'internal' AND a.address = wanted.user_uuid::text
ORDER BY wanted.place
