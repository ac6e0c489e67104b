-- The content hash of a row, as before and many times faster: Postgres puts the expression
-- into the statement around it instead of calling a function for each row. It does so only
-- where the function promises no more than its parts, and convert_to, which yields the same
-- bytes for the same text in any one database, promises to be stable.
CREATE OR REPLACE FUNCTION transaction_content_hash(
    occurred_at timestamptz, "position" bigint, sender_id bigint, receiver_id bigint,
    asset_id integer, amount numeric, reference text
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN substring(sha256(
    timestamptz_send(occurred_at) || int8send("position") || int8send(sender_id)
    || int8send(receiver_id) || int4send(asset_id) || numeric_send(trim_scale(amount))
    || coalesce(convert_to(reference, 'UTF8'), '')
) FROM 1 FOR 16);
