-- Whether the days that are known are those that have a partition: the function days_are_noted,
-- which says what that counts on.
SELECT days_are_noted() AS is_noted
