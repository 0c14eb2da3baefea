/** Takes production's secrets out of a copy, and all that would let it talk to production. */
import type { Client } from 'pg';
import { withoutEventTriggers } from './eventTriggers.ts';
import { quoteName } from './quoting.ts';
import type { TemporaryServer, Workbench } from './workbench.ts';

/** Takes away what lets a copy talk to production, or people log in as production's users. */
export async function disarm(bench: Workbench, server: TemporaryServer): Promise<{ prepared: number }> {
  const { report } = bench;
  const databases = await server.query('template1', async (client) => {
    await client.query('UPDATE pg_authid SET rolpassword = NULL WHERE rolpassword IS NOT NULL');
    await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname',
    );
    const names = rows.map((row) => row.datname);
    // Every session of ours goes to this one, which some installations do without.
    if (!names.includes('postgres')) await client.query('CREATE DATABASE postgres');
    return names;
  });
  let prepared = 0;
  for (const database of databases) {
    bench.signal.throwIfAborted();
    await server.query(database, async (client) => {
      await withoutEventTriggers(client, async () => {
        await dropSubscriptions(client, database, report);
        await dropForeignPasswords(client, database, report);
      });
      const { rows } = await client.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM pg_prepared_xacts WHERE database = current_database()',
      );
      prepared += rows[0]?.count ?? 0;
      await rewriteSecretCatalogs(client);
    });
  }
  if (prepared > 0) {
    report.line(
      `The data holds ${prepared} prepared transactions; their locks are in every clone.`,
      'warning',
    );
  }
  return { prepared };
}

/**
 * What was taken away stands in the files still, as rows that are dead and as most common values: these catalogs are written anew. Rows
 * that a prepared transaction might see stay.
 */
async function rewriteSecretCatalogs(client: Client): Promise<void> {
  const catalogs = ['pg_authid', 'pg_subscription', 'pg_user_mapping'];
  const { rowCount } = await client.query(
    'DELETE FROM pg_statistic WHERE starelid = ANY ($1::text[]::regclass[])',
    [catalogs.map((name) => `pg_catalog.${name}`)],
  );
  const rewritten = [...catalogs, ...(rowCount === 0 ? [] : ['pg_statistic'])];
  for (const name of rewritten) await client.query(`VACUUM (FULL) pg_catalog.${name}`);
}

/** DROP SUBSCRIPTION calls the publisher while tables are in their first copy: so these entries go before. */
async function dropSubscriptions(
  client: Client,
  database: string,
  report: Workbench['report'],
): Promise<void> {
  const { rows } = await client.query<{ subname: string }>(
    `SELECT subname FROM pg_subscription
     WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  for (const { subname } of rows) {
    const name = quoteName(subname);
    await client.query(`ALTER SUBSCRIPTION ${name} DISABLE`);
    await client.query(
      'DELETE FROM pg_subscription_rel WHERE srsubid = (SELECT oid FROM pg_subscription WHERE subname = $1)',
      [subname],
    );
    await client.query(`ALTER SUBSCRIPTION ${name} SET (slot_name = NONE)`);
    await client.query(`DROP SUBSCRIPTION ${name}`);
    report.line(
      `Subscription ${subname} of ${database} was left out: a clone must not call its publisher.`,
      'warning',
    );
  }
}

async function dropForeignPasswords(
  client: Client,
  database: string,
  report: Workbench['report'],
): Promise<void> {
  const { rows } = await client.query<{ srvname: string; umuser: string; usename: string; option: string }>(
    `SELECT srvname, umuser::text AS umuser, usename, split_part(o, '=', 1) AS option
     FROM pg_user_mappings, unnest(umoptions) AS o
     WHERE split_part(o, '=', 1) IN ('password', 'passwd', 'passfile', 'passcode', 'sslpassword', 'sslkey', 'scram_client_key', 'scram_server_key')`,
  );
  for (const row of rows) {
    const user = row.umuser === '0' ? 'PUBLIC' : quoteName(row.usename);
    await client.query(
      `ALTER USER MAPPING FOR ${user} SERVER ${quoteName(row.srvname)} OPTIONS (DROP ${quoteName(row.option)})`,
    );
  }
  if (rows.length > 0) {
    const servers = [...new Set(rows.map((row) => row.srvname))].join(', ');
    report.line(`Passwords for the foreign servers of ${database} (${servers}) were left out.`, 'warning');
  }
}
