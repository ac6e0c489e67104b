//! What a role that may write rows still may not do: borrow the owner's rights, or forge
//! keys.

use daybook::cluster::ClusterRole;
use tokio_postgres::Client;

use crate::support::{
    cluster::{connect, shared},
    ledger::{add_user, ensure_days},
    schema::{TestSchema, one},
    service::sql,
};

const INSERT: &str = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, \
                      amount) VALUES ('2024-05-05 12:00Z', 1, 2, 1, 1)";

/// A schema with two users and a day, and the connection of a role that may write rows and
/// make temporary tables, as any role may on a server with Postgres's defaults.
async fn with_writer(role: &str) -> (TestSchema, Client) {
    let schema = TestSchema::prepared().await;
    for name in ["ann", "bob"] {
        add_user(&schema.sql, name).await;
    }
    ensure_days(&schema.sql, &["2024-05-05"]).await;
    let superuser = connect(&shared().connection(ClusterRole::Superuser)).await;
    let name = &schema.target.schema;
    superuser
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT CONNECT, TEMPORARY ON DATABASE daybook TO {role};
             GRANT USAGE ON SCHEMA {name} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.transactions TO {role}"
        ))
        .await
        .unwrap();
    let mut config = shared().connection(ClusterRole::Client);
    config.user(role);
    let writer = sql(config, name).await;
    (schema, writer)
}

async fn refusal(client: &Client, text: &str) -> String {
    let error = client.batch_execute(text).await.unwrap_err();
    error.code().unwrap_or_else(|| panic!("{text}: {error}")).code().to_owned()
}

#[tokio::test]
async fn a_temporary_table_of_the_writers_is_not_taken_for_the_register() {
    let (schema, writer) = with_writer("writer_with_tables").await;
    let trap = "CREATE TEMPORARY TABLE transaction_ids (LIKE pg_class);
        CREATE FUNCTION pg_temp.spring() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RAISE EXCEPTION ''running as %'', current_user; END';
        CREATE TRIGGER trap BEFORE INSERT ON pg_temp.transaction_ids
        EXECUTE FUNCTION pg_temp.spring()";
    writer.batch_execute(trap).await.unwrap();
    writer.batch_execute(INSERT).await.unwrap();
    writer.batch_execute("UPDATE transactions SET amount = 2").await.unwrap();
    let right = "SELECT count(*) FROM transactions t JOIN transaction_ids i USING (transaction_id)
                 WHERE i.content_hash = transaction_content_hash(t.occurred_at, t.position,
                     t.sender_id, t.receiver_id, t.asset_id, t.amount, t.reference)";
    assert_eq!(one::<i64>(&schema.sql, right).await, 1);
    writer.batch_execute("DELETE FROM transactions").await.unwrap();
    let marked = "SELECT count(*) FROM transaction_ids WHERE deleted_at IS NOT NULL";
    assert_eq!(one::<i64>(&schema.sql, marked).await, 1);
}

#[tokio::test]
async fn the_registers_functions_cannot_be_put_on_another_table() {
    let (schema, writer) = with_writer("writer_with_triggers").await;
    writer
        .batch_execute(
            "CREATE TEMPORARY TABLE fake (occurred_at timestamptz, position bigint,
                 sender_id bigint, receiver_id bigint, transaction_id uuid, asset_id integer,
                 amount numeric, reference text)",
        )
        .await
        .unwrap();
    for (event, table, function) in [
        ("INSERT", "NEW TABLE AS added", "register_added_transactions"),
        ("DELETE", "OLD TABLE AS removed", "register_removed_transactions"),
        ("UPDATE", "OLD TABLE AS removed NEW TABLE AS added", "register_changed_transactions"),
    ] {
        let text = format!(
            "CREATE TRIGGER {function} AFTER {event} ON fake REFERENCING {table}
             FOR EACH STATEMENT EXECUTE FUNCTION {}.{function}()",
            schema.target.schema
        );
        assert_eq!(refusal(&writer, &text).await, "42501", "{function}");
    }
}

#[tokio::test]
async fn the_client_role_gives_no_keys_and_moves_no_user() {
    let schema = TestSchema::prepared().await;
    let ann = add_user(&schema.sql, "ann").await;
    let client = schema.sql_as(ClusterRole::Client).await;
    for text in [
        "INSERT INTO accounts (account_id, network, address) OVERRIDING SYSTEM VALUE
         VALUES (99, 'bank', 'x')",
        "INSERT INTO users (user_id, user_uuid, username, name) OVERRIDING SYSTEM VALUE
         VALUES (99, gen_random_uuid(), 'x', 'x')",
        "INSERT INTO assets (asset_id, code, name, decimals) OVERRIDING SYSTEM VALUE
         VALUES (99, 'X', 'x', 2)",
        "UPDATE users SET user_uuid = gen_random_uuid()",
        "UPDATE accounts SET address = 'x'",
        "DELETE FROM accounts",
    ] {
        assert_eq!(refusal(&client, text).await, "42501", "{text}");
    }
    client
        .batch_execute("INSERT INTO accounts (network, address) VALUES ('bank', 'x')")
        .await
        .unwrap();
    client.batch_execute("UPDATE users SET name = 'Ann'").await.unwrap();
    let kept = format!("SELECT count(*) FROM users WHERE user_uuid = '{}'", ann.user_uuid);
    assert_eq!(one::<i64>(&client, &kept).await, 1);
}
