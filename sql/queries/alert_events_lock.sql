-- Takes the turn to give ids to events, until the end of the tx: ids are committed in their order.
SELECT pg_advisory_xact_lock(hashtext('daybook.alert_events'), hashtext(current_schema()))
