-- Whether the asset $1 is to be held against its contract again: it never was, nor was that tried,
-- or more than $2 seconds ago. One row. By the keys.
SELECT NOT EXISTS (
        SELECT FROM token_checks
        WHERE asset_id = $1 AND checked_at > clock_timestamp() - make_interval(secs => $2))
    AND NOT EXISTS (
        SELECT FROM sync_streams
        WHERE asset_id = $1 AND account_id = 0
          AND check_tried_at > clock_timestamp() - make_interval(secs => $2)) AS is_due
