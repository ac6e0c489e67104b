-- Notes that $1 (principal) in the role $2, who came from the address $3, did $4 (action) to $5
-- (subject), in the tx that does it. Role and address are NULL where there is none.
INSERT INTO audit_log (principal, role, peer, action, subject) VALUES ($1, $2, $3, $4, $5)
