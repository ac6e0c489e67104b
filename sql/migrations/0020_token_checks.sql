-- Whether the transfers of a token explain what its contract says, as its syncing found it.

CREATE TABLE token_checks (
    asset_id        integer PRIMARY KEY REFERENCES chain_assets (asset_id),
    checked_at      timestamptz NOT NULL DEFAULT now(),
    height          bigint NOT NULL CHECK (height >= 0),
    sampled         integer NOT NULL CHECK (sampled >= 0),
    differing       integer NOT NULL CHECK (differing BETWEEN 0 AND sampled),
    recorded_supply numeric NOT NULL,
    contract_supply numeric
);
COMMENT ON TABLE token_checks IS
    'The latest comparison of a token''s rows with its contract: some balances, and the supply.';
COMMENT ON COLUMN token_checks.height IS 'The block as of which both sides were asked.';
COMMENT ON COLUMN token_checks.sampled IS 'Balances that were compared.';
COMMENT ON COLUMN token_checks.differing IS 'Those of them that the contract has otherwise.';
COMMENT ON COLUMN token_checks.recorded_supply IS 'What rows mint less what they burn.';
COMMENT ON COLUMN token_checks.contract_supply IS
    'What the contract calls its supply; NULL where it does not say.';

-- The last block at an instant.
CREATE INDEX sync_blocks_stream_id_mined_at_idx ON sync_blocks (stream_id, mined_at, height);
