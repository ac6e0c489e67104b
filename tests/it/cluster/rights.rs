//! What the roles may do, with pg_partman and pg_cron.

use daybook::cluster::ClusterRole;

use crate::support::cluster::{TestFolder, connect, eventually, shared};

/// Written for pg_partman 4 and 5, as in the migrations.
const PARTITIONED: &str = r"
CREATE SCHEMA rights;
CREATE TABLE rights.ticks (ticked_at timestamptz NOT NULL, n int) PARTITION BY RANGE (ticked_at);
CREATE TABLE rights.ticks_template (LIKE rights.ticks);
CREATE INDEX ON rights.ticks USING brin (ticked_at);
DO $$
DECLARE
    major int := (SELECT split_part(extversion, '.', 1) FROM pg_extension
                  WHERE extname = 'pg_partman');
BEGIN
    PERFORM partman.create_parent(
        p_parent_table := 'rights.ticks', p_control := 'ticked_at',
        p_type := CASE WHEN major >= 5 THEN 'range' ELSE 'native' END, p_interval := '1 day',
        p_premake := 3, p_start_partition := (now() - interval '2 days')::date::text,
        p_template_table := 'rights.ticks_template', p_jobmon := false);
    UPDATE partman.part_config
    SET infinite_time_partitions = true, ignore_default_data = true, premake = 6
    WHERE parent_table = 'rights.ticks';
    PERFORM partman.run_maintenance('rights.ticks', p_jobmon := false);
    PERFORM partman.create_partition_time('rights.ticks', ARRAY['2009-01-03'::timestamptz]);
END
$$";

#[tokio::test]
async fn the_owner_role_runs_pg_partman() {
    let client = connect(&shared().connection(ClusterRole::Owner)).await;
    client.batch_execute(PARTITIONED).await.unwrap();
    client.batch_execute("CALL partman.run_maintenance_proc(p_jobmon := false)").await.unwrap();
    let bounds = "SELECT count(*), count(*) FILTER (WHERE bound LIKE '%00:00:00+00%00:00:00+00%'),
               count(*) FILTER (WHERE bound LIKE '%2009-01-03%')
        FROM (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
              WHERE i.inhparent = 'rights.ticks'::regclass) AS children
        WHERE bound <> 'DEFAULT'";
    let row = client.query_one(bounds, &[]).await.unwrap();
    let (all, utc, old): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    // pg_partman counts days ahead from the nearest midnight: after noon there is one more.
    assert!([10, 11].contains(&all), "2 past, today, 6 or 7 ahead, and 2009: {all}");
    assert_eq!((utc, old), (all, 1), "days of UTC");
}

#[tokio::test]
async fn the_owner_role_schedules_jobs_that_run_without_a_password() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let client = connect(&cluster.connection(ClusterRole::Owner)).await;
    client
        .batch_execute(
            "CREATE SCHEMA daybook;
             CREATE TABLE daybook.runs (who text, zone text);
             SELECT cron.schedule('note', '@reboot', 'INSERT INTO daybook.runs
                 SELECT current_user, current_setting(''TimeZone'')')",
        )
        .await
        .unwrap();
    drop(client);
    // The shortest schedule of pg_cron 1.4 is a minute, but this one runs at each start.
    cluster.stop().await.unwrap();
    let cluster = folder.start().await;
    let client = connect(&cluster.connection(ClusterRole::Owner)).await;
    eventually("the job has run", async || {
        let rows = client.query("SELECT who, zone FROM daybook.runs", &[]).await.unwrap();
        rows.iter().any(|row| (row.get(0), row.get(1)) == ("daybook", "UTC"))
    })
    .await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_client_role_may_connect_and_nothing_else() {
    let config = shared().connection(ClusterRole::Client);
    let client = connect(&config).await;
    let path: String = client.query_one("SHOW search_path", &[]).await.unwrap().get(0);
    assert_eq!(path, "daybook");
    for refused in [
        "CREATE TABLE public.t (n int)",
        "CREATE SCHEMA s",
        "CREATE TEMP TABLE t (n int)",
        "SELECT * FROM partman.part_config",
        "SELECT cron.schedule('* * * * *', 'SELECT 1')",
        "SET ROLE daybook",
        "SELECT pg_read_file('/etc/passwd')",
    ] {
        let error = client.batch_execute(refused).await.expect_err(refused);
        let code = error.code().expect("the server refuses").clone();
        assert_eq!(code, tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE, "{refused}");
    }
    let mut elsewhere = config.clone();
    elsewhere.dbname("postgres");
    assert!(crate::support::cluster::try_connect(&elsewhere).await.is_err());
}
