-- Puts a day back.
ALTER TABLE transactions ATTACH PARTITION {leaf} FOR VALUES FROM ('{lower}') TO ('{upper}')
