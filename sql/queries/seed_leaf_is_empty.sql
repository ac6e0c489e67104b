-- Whether the partition {leaf} is empty.
SELECT NOT EXISTS (SELECT FROM {leaf}) AS is_empty
