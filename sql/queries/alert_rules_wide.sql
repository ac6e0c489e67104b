-- How many rules about all symbols the user of the rule $1 (uuid) has.
SELECT count(*) AS wide_count
FROM alert_rules r
WHERE r.symbol_id IS NULL
  AND r.user_id = (SELECT o.user_id FROM alert_rules o WHERE o.rule_id = $1)
