-- Gives the user $1 (user_id), whose UUID is $2 (text), a payments account, tracked as a
-- wallet. The account may be there already: writers of transactions make accounts too.
WITH account AS (
    INSERT INTO accounts AS a (network, address)
    VALUES ('internal', $2)
    -- Changes nothing, so that the row comes back either way.
    ON CONFLICT (network, address) DO UPDATE SET address = a.address
    RETURNING a.account_id
)
INSERT INTO user_wallets (user_id, account_id)
SELECT $1, account_id FROM account
