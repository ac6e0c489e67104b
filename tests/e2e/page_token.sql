-- A token with holders and transfers, as a sync would record it, for the checks of the page: minted
-- ten days ago, and moved since. Those days must have partitions.
\set code 'evm-31337:0x00000000000000000000000000000000000000c0'
BEGIN;

INSERT INTO assets (code, name, decimals) VALUES (:'code', 'Harbour Coin', 18);

INSERT INTO chain_assets (asset_id, network, contract, symbol)
SELECT asset_id, 'evm-31337', '0x00000000000000000000000000000000000000c0', 'HBR'
FROM assets WHERE code = :'code';

INSERT INTO accounts (network, address)
SELECT 'evm-31337', '0x' || lpad(CASE n WHEN 0 THEN '' ELSE md5(n::text) END, 40, '0')
FROM generate_series(0, 40) AS n;

INSERT INTO sync_streams
    (asset_id, account_id, first_height, head_height, head_hash, complete_until, final_height,
     transfer_count, synced_at)
SELECT asset_id, 0, 100, 140, '0x' || repeat('ab', 32), date_trunc('hour', now()), 130, 74, now()
FROM assets WHERE code = :'code';

INSERT INTO sync_jobs (job_id, stream_id, network, state, priority)
SELECT gen_random_uuid(), stream_id, 'evm-31337', 'queued', 0
FROM sync_streams
WHERE asset_id = (SELECT asset_id FROM assets WHERE code = :'code');

INSERT INTO sync_blocks (stream_id, height, mined_at, block_hash, parent_hash)
SELECT stream_id, 100 + n, date_trunc('hour', now()) - make_interval(hours => 6 * (40 - n)),
    '0x' || md5(n::text) || md5('block' || n), ''
FROM generate_series(0, 40) AS n
CROSS JOIN sync_streams
WHERE asset_id = (SELECT asset_id FROM assets WHERE code = :'code');

-- Forty are given coins in the first block, the first of them most; then each block moves some.
WITH token AS (SELECT asset_id FROM assets WHERE code = :'code'),
holder AS (
    SELECT account_id, row_number() OVER (ORDER BY account_id) - 1 AS n
    FROM accounts WHERE network = 'evm-31337'
),
move AS (
    SELECT 0 AS block, n AS log, 0::bigint AS giver, n AS taker,
        (1000000 / (n * n))::numeric + 0.000000000000000001 * n AS amount
    FROM generate_series(1, 40) AS n
    UNION ALL
    SELECT n, 0, 1 + n * 7 % 12, 1 + n * 5 % 12, (25 * n)::numeric + 0.5
    FROM generate_series(1, 40) AS n
    WHERE n * 7 % 12 <> n * 5 % 12
)
INSERT INTO transactions
    (occurred_at, position, sender_id, receiver_id, asset_id, amount, reference)
SELECT date_trunc('hour', now()) - make_interval(hours => 6 * (40 - block)),
    ((100 + block)::bigint << 24) + log, giver.account_id, taker.account_id, asset_id, amount,
    '0x' || md5('tx' || block || log) || md5('tx')
FROM move
JOIN holder AS giver ON giver.n = move.giver
JOIN holder AS taker ON taker.n = move.taker
CROSS JOIN token;

COMMIT;
