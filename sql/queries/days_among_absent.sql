-- Which of the days $1 (date[]) have rows that are not at hand, earliest first; 0001-01-01 among
-- them, always, while a seeding is not complete.
SELECT a.day
FROM absent_days a
WHERE a.day = ANY ($1::date[])
   OR a.day = '0001-01-01'
ORDER BY a.day
