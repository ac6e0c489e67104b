-- Notes the unconfirmed transactions $2 of the wallet of the stream $1, which bring it $3 and cost
-- it $4.
INSERT INTO unconfirmed_transactions (stream_id, reference, received, sent)
SELECT $1, l.reference, l.received, l.sent
FROM unnest($2::text[], $3::text[]::numeric[], $4::text[]::numeric[])
    AS l (reference, received, sent)
ON CONFLICT DO NOTHING
