-- What decides on a rule: of the user $1 (uuid), locked so that nobody counts beside, the id of the
-- symbol $2 (text; null without one), and how many rules the user has,
-- and how many of them about all symbols. No row for an unknown user.
SELECT u.user_id,
       (SELECT s.symbol_id FROM symbols s WHERE s.name = $2) AS symbol_id,
       (SELECT count(*) FROM alert_rules r WHERE r.user_id = u.user_id) AS rule_count,
       (SELECT count(*) FROM alert_rules r WHERE r.user_id = u.user_id AND r.symbol_id IS NULL)
           AS wide_count
FROM users u
WHERE u.user_uuid = $1
FOR NO KEY UPDATE OF u
