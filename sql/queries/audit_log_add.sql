-- Notes that $1 (principal) did $2 (action) to $3 (subject), in the tx that does it.
INSERT INTO audit_log (principal, action, subject) VALUES ($1, $2, $3)
