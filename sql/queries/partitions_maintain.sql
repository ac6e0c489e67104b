-- One round of upkeep, unless another server is at it: then null. The lock ends
-- with the tx. Adding a day takes SHARE UPDATE EXCLUSIVE on the parent.
SELECT CASE
    WHEN pg_try_advisory_xact_lock(hashtext('daybook.maintain'), hashtext(current_schema()))
    THEN maintain_partitions()
END AS made
