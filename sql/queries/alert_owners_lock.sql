-- Holds the users of the rules $1 (uuid[]) until the end of the tx: whoever deletes one waits, or is
-- waited for before anything else of theirs is locked.
SELECT u.user_id
FROM users u
WHERE u.user_id IN (SELECT r.user_id FROM alert_rules r WHERE r.rule_id = ANY ($1::uuid[]))
ORDER BY u.user_id
FOR KEY SHARE
