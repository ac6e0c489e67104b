-- Chains: what is synced from whom, how far it has come, and who is at it.
--
-- A stream is what one walk fills: a wallet (one account, the network's coin) or a token (one
-- asset, all accounts). Whoever writes for a stream holds the lease of its job: its row is locked
-- first in each tx that writes rows, so that somebody who lost the lease writes nothing any more.

CREATE TABLE chain_assets (
    asset_id integer PRIMARY KEY REFERENCES assets (asset_id),
    network  text COLLATE "C" NOT NULL,
    -- NULL: the network's own coin.
    contract text COLLATE "C",
    symbol   text NOT NULL DEFAULT '' CHECK (length(symbol) <= 256),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (network, contract)
);
COMMENT ON TABLE chain_assets IS
    'Assets whose rows are synced from a chain. Their rows are complete only as far as streams have come.';

CREATE TABLE sync_streams (
    stream_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset_id       integer NOT NULL REFERENCES chain_assets (asset_id),
    -- 0: all accounts of the asset.
    account_id     bigint NOT NULL,
    first_height   bigint NOT NULL DEFAULT 0 CHECK (first_height >= 0),
    last_height    bigint CHECK (last_height >= first_height),
    head_height    bigint,
    head_hash      text,
    final_height   bigint NOT NULL DEFAULT -1,
    complete_from  timestamptz NOT NULL DEFAULT '-infinity',
    complete_until timestamptz,
    generation     bigint NOT NULL DEFAULT 0,
    transfer_count bigint NOT NULL DEFAULT 0,
    other_count    bigint NOT NULL DEFAULT 0,
    resume         text,
    synced_at      timestamptz,
    check_tried_at timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (asset_id, account_id)
);
COMMENT ON TABLE sync_streams IS 'What is synced, and from when to when it is complete.';
COMMENT ON COLUMN sync_streams.first_height IS
    'First block whose rows are asked for: those before it are missing.';
COMMENT ON COLUMN sync_streams.last_height IS 'Last block that is asked for; NULL: the head.';
COMMENT ON COLUMN sync_streams.head_height IS 'Block up to which everything is recorded.';
COMMENT ON COLUMN sync_streams.final_height IS 'Block up to which nothing is taken back any more.';
COMMENT ON COLUMN sync_streams.complete_until IS
    'Rows before this instant are recorded, as far as complete_from says; NULL: not once synced.';
COMMENT ON COLUMN sync_streams.generation IS
    'Counts withdrawals: what is recorded again after one has another id.';
COMMENT ON COLUMN sync_streams.other_count IS
    'Events of the contract that look like transfers and are none of this token''s, like ERC-721''s.';
COMMENT ON COLUMN sync_streams.resume IS 'Where a scan goes on that was cut off; the scan''s own text.';
COMMENT ON COLUMN sync_streams.synced_at IS 'When a job last reached the head.';
COMMENT ON COLUMN sync_streams.check_tried_at IS
    'When it was last begun to hold a token against its contract, whether that came to an end or not.';
CREATE INDEX sync_streams_account_id_idx ON sync_streams (account_id);

CREATE TABLE sync_blocks (
    stream_id   bigint NOT NULL REFERENCES sync_streams (stream_id),
    height      bigint NOT NULL,
    mined_at    timestamptz NOT NULL,
    block_hash  text NOT NULL,
    parent_hash text NOT NULL,
    transfer_count bigint NOT NULL DEFAULT 0,
    other_count    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (stream_id, height)
);
COMMENT ON TABLE sync_blocks IS
    'Blocks of a token''s stream: those with rows, and all that may still be taken back. Hashes are '
    'empty where a source does not tell those of blocks that are final.';
COMMENT ON COLUMN sync_blocks.other_count IS
    'Events of the block that look like transfers and are none of this token''s.';

CREATE TABLE chain_transactions (
    network     text COLLATE "C" NOT NULL,
    reference   text COLLATE "C" NOT NULL,
    height      bigint NOT NULL,
    block_index bigint,
    mined_at    timestamptz NOT NULL,
    block_hash  text NOT NULL,
    fee         numeric NOT NULL,
    -- Of the ids of its rows.
    generation  bigint NOT NULL DEFAULT 0,
    -- Withdrawn ones keep their generation.
    is_recorded boolean NOT NULL DEFAULT true,
    PRIMARY KEY (network, reference)
);
COMMENT ON TABLE chain_transactions IS
    'In which block a Bitcoin transaction is whose rows are recorded. Its key is what makes two '
    'wallets that share one record it once.';

CREATE TABLE sync_transactions (
    stream_id bigint NOT NULL REFERENCES sync_streams (stream_id),
    height    bigint NOT NULL,
    reference text COLLATE "C" NOT NULL,
    PRIMARY KEY (stream_id, height, reference)
);
COMMENT ON TABLE sync_transactions IS
    'Transactions in which a wallet takes part, also those that leave it with what it had.';

CREATE TABLE unconfirmed_transactions (
    stream_id bigint NOT NULL REFERENCES sync_streams (stream_id),
    reference text COLLATE "C" NOT NULL,
    received  numeric NOT NULL,
    sent      numeric NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_id, reference)
);
COMMENT ON TABLE unconfirmed_transactions IS
    'What a wallet''s transactions outside of any block would come to, as of its last scan.';

CREATE TABLE sync_jobs (
    job_id       uuid PRIMARY KEY,
    -- One unfinished job a stream: a second request finds it.
    stream_id    bigint NOT NULL UNIQUE REFERENCES sync_streams (stream_id),
    network      text COLLATE "C" NOT NULL,
    state        text NOT NULL CHECK (state IN ('queued', 'running', 'parked')),
    -- 0 asked for, 1 a reader found it stale, 2 periodic.
    priority     smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
    requested_at timestamptz NOT NULL DEFAULT now(),
    run_at       timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    lease_token  uuid,
    lease_until  timestamptz,
    worker       text,
    source       text,
    progress     bigint NOT NULL DEFAULT 0,
    progress_of  bigint,
    message      text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE sync_jobs IS 'Jobs that are not over. Whoever works at one holds its lease.';
COMMENT ON COLUMN sync_jobs.attempts IS 'Tries since something was last committed for it.';
COMMENT ON COLUMN sync_jobs.lease_token IS
    'Drawn anew whenever a worker takes the job: who writes holds it against this.';
CREATE INDEX sync_jobs_due_idx ON sync_jobs (priority, run_at, job_id) WHERE state = 'queued';
CREATE INDEX sync_jobs_requested_at_job_id_idx ON sync_jobs (requested_at, job_id);
CREATE INDEX sync_jobs_parked_idx ON sync_jobs (run_at) WHERE state = 'parked';
CREATE INDEX sync_jobs_lease_until_idx ON sync_jobs (lease_until) WHERE state = 'running';

CREATE TABLE sync_job_history (
    job_id       uuid NOT NULL,
    stream_id    bigint NOT NULL,
    network      text COLLATE "C" NOT NULL,
    outcome      text NOT NULL CHECK (outcome = 'succeeded'),
    priority     smallint NOT NULL,
    requested_at timestamptz NOT NULL,
    started_at   timestamptz,
    finished_at  timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL,
    source       text,
    progress     bigint NOT NULL,
    message      text,
    PRIMARY KEY (job_id)
);
COMMENT ON TABLE sync_job_history IS 'Jobs that are over.';
CREATE INDEX sync_job_history_finished_at_idx ON sync_job_history (finished_at);
CREATE INDEX sync_job_history_requested_at_job_id_idx ON sync_job_history (requested_at, job_id);
CREATE INDEX sync_job_history_network_requested_at_job_id_idx
    ON sync_job_history (network, requested_at, job_id);
CREATE INDEX sync_job_history_stream_id_idx ON sync_job_history (stream_id, finished_at);

CREATE TABLE sync_sources (
    source        text NOT NULL,
    key_number    integer NOT NULL,
    next_at       timestamptz NOT NULL DEFAULT 'epoch',
    blocked_until timestamptz NOT NULL DEFAULT 'epoch',
    blocked_why   text,
    failures      integer NOT NULL DEFAULT 0,
    used_on       date NOT NULL DEFAULT 'epoch',
    used          bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (source, key_number)
) WITH (fillfactor = 50);
COMMENT ON TABLE sync_sources IS
    'When each key of a source may be used next, by whichever worker of whichever server.';

-- Accounts that stand for no address: what of a transaction belongs to none, and how its rows meet.
CREATE OR REPLACE FUNCTION is_canonical_address(network text, address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE network
    WHEN 'internal' THEN
        address ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
    WHEN 'ethereum' THEN
        address ~ '^0x[0-9a-f]{40}$'
    WHEN 'bitcoin' THEN
        address ~ ('^([13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[02-9ac-hj-np-z]{11,71}'
            || '|hub|fees|coinbase|script:[0-9a-f]{64})$')
    WHEN 'bitcoin-regtest' THEN
        address ~ ('^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|bcrt1[02-9ac-hj-np-z]{11,71}'
            || '|hub|fees|coinbase|script:[0-9a-f]{64})$')
    WHEN 'bitcoin-testnet' THEN
        address ~ ('^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|tb1[02-9ac-hj-np-z]{11,71}'
            || '|hub|fees|coinbase|script:[0-9a-f]{64})$')
    WHEN 'bitcoin-testnet4' THEN
        address ~ ('^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|tb1[02-9ac-hj-np-z]{11,71}'
            || '|hub|fees|coinbase|script:[0-9a-f]{64})$')
    WHEN 'bitcoin-signet' THEN
        address ~ ('^([2mn][1-9A-HJ-NP-Za-km-z]{25,34}|tb1[02-9ac-hj-np-z]{11,71}'
            || '|hub|fees|coinbase|script:[0-9a-f]{64})$')
    ELSE
        -- Every other chain of Ethereum's kind, by the number of EIP-155.
        network !~ '^evm-[1-9][0-9]*$' OR address ~ '^0x[0-9a-f]{40}$'
END;
