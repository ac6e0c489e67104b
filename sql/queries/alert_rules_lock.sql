-- Holds the rules $1 (uuid[]) against change until the end of the tx. Their users are held before.
SELECT r.rule_id
FROM alert_rules r
WHERE r.rule_id = ANY ($1::uuid[])
ORDER BY r.rule_id
FOR SHARE
