-- The largest id of an event; 0 without any.
SELECT coalesce(max(e.event_id), 0) AS event_id FROM alert_events e
