-- What the seeder has done: it goes on from here after a kill, and never begins
-- where somebody else's rows are.

CREATE TABLE seed_runs (
    -- There is one run at most.
    is_the_run         boolean PRIMARY KEY DEFAULT true CHECK (is_the_run),
    user_count         bigint NOT NULL,
    transaction_count  bigint NOT NULL,
    first_day          date NOT NULL,
    day_count          bigint NOT NULL,
    seed_number        bigint NOT NULL,
    is_skewed          boolean NOT NULL,
    started_at         timestamptz NOT NULL DEFAULT now(),
    finished_at        timestamptz
);
COMMENT ON TABLE seed_runs IS
    'The seeding of this database: its parameters, and when it was complete.';

CREATE TABLE seed_days (
    day               date PRIMARY KEY,
    transaction_count bigint NOT NULL
);
COMMENT ON TABLE seed_days IS 'Days that the seeder has loaded, each written in the tx of its rows.';

-- On transactions from the moment when the seeder takes references and keys off
-- until it has put them back: a row that they would refuse, once in, would keep a
-- seeding that was cut off from ever being completed.
CREATE FUNCTION refuse_while_seeding() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the database is being seeded: transactions cannot be written yet'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'If the seeding was cut off, start daybook or seeder: it goes on with it.';
END
$$;
