-- The cheapest question that shows that the database answers.
SELECT 1 AS one
