-- Of the days $1 (date[]) those whose prices retention dropped. By the primary key.
SELECT d.day FROM dropped_price_days d WHERE d.day = ANY ($1::date[])
