import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { libpqArguments, libpqEnvironment } from '../../../engine/database/postgres/access/libpq.ts';
import { openSource } from '../../../engine/database/postgres/sourceConnection.ts';
import { describeMissing, ensureSystemPackages } from '../../support/systemPackages.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import {
  SOURCE_PASSWORD,
  SOURCE_USER,
  startPostgresSource,
  testPrograms,
  type PostgresSource,
} from '../../support/postgresSource.ts';

const KEY_PASSWORD = 'key pass';

/** An authority, a server's certificate for localhost, and one of a client with an open and an encrypted key. */
function makeCertificates(folder: string): void {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  };
  const make = (name: string, subject: string, ...more: string[]): void => {
    const asked = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', subject];
    openssl(...asked, '-keyout', `${name}.key`, '-out', `${name}.crt`, ...more);
  };
  make('ca', '/CN=authority of the test', '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
  make('stranger', '/CN=another authority');
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-addext', 'basicConstraints=critical,CA:FALSE'];
  make('server', '/CN=localhost', ...signed, '-addext', 'subjectAltName=DNS:localhost');
  make('client', '/CN=bycert', ...signed);
  // Revocation lists of the authority: one that is empty, and one with the server's certificate; found by their folders.
  writeFileSync(
    path.join(folder, 'ca.cnf'),
    '[ca]\ndefault_ca = mine\n[mine]\ndatabase = index\ndefault_md = sha256\ndefault_crl_days = 2\n',
  );
  writeFileSync(path.join(folder, 'index'), '');
  const authority = ['ca', '-config', 'ca.cnf', '-cert', 'ca.crt', '-keyfile', 'ca.key'];
  for (const list of ['unrevoked', 'revoked']) {
    if (list === 'revoked') openssl(...authority, '-revoke', 'server.crt');
    mkdirSync(path.join(folder, list));
    openssl(...authority, '-gencrl', '-out', path.join(list, 'list.pem'));
    openssl('rehash', list);
  }
  mkdirSync(path.join(folder, 'nothing'));
  openssl('rsa', '-aes256', '-in', 'client.key', '-out', 'locked.key', '-passout', `pass:${KEY_PASSWORD}`);
  for (const name of ['client.key', 'locked.key', 'server.key']) chmodSync(path.join(folder, name), 0o600);
}

describe('a source, by the ways in which people name it', function () {
  this.timeout(120_000);
  let bench: PostgresBench;
  let source: PostgresSource;
  let folder: string;
  let socket: string;
  let dead: number;
  const file = (name: string, text?: string): string => {
    const at = path.join(folder, name);
    if (text !== undefined) writeFileSync(at, text, { mode: 0o600 });
    return at;
  };

  before(async () => {
    const { missing } = await ensureSystemPackages(['openssl']);
    assert.deepEqual(missing, [], describeMissing(missing));
    bench = await openPostgresBench();
    folder = await mkdtemp(path.join(tmpdir(), 'tc-urls-'));
    makeCertificates(folder);
    source = await startPostgresSource();
    socket = path.join(path.dirname(source.dataDirectory), 'socket');
    for (const name of ['server.crt', 'server.key', 'ca.crt'])
      copyFileSync(path.join(folder, name), path.join(source.dataDirectory, name));
    const rules = path.join(source.dataDirectory, 'pg_hba.conf');
    const own = `hostssl all bycert 127.0.0.1/32 cert\nhostnossl all onlytls 127.0.0.1/32 reject\n`;
    writeFileSync(rules, `${own}host all plain 127.0.0.1/32 password\n${readFileSync(rules, 'utf8')}`);
    await bench.machine.files.giveToServerUser(source.dataDirectory);
    await source.run(
      'postgres',
      'CREATE ROLE bycert LOGIN SUPERUSER',
      "CREATE ROLE onlytls LOGIN SUPERUSER PASSWORD 'tls'",
      "CREATE ROLE plain LOGIN SUPERUSER PASSWORD 'plain'",
      'CREATE DATABASE shop',
      'CREATE DATABASE "re=a/d only"',
      'ALTER DATABASE "re=a/d only" SET default_transaction_read_only = on',
      'ALTER SYSTEM SET ssl = on',
      "ALTER SYSTEM SET ssl_ca_file = 'ca.crt'",
      'SELECT pg_reload_conf()',
    );
    await source.run('shop', 'CREATE TABLE orders (id int)', 'INSERT INTO orders VALUES (1), (2)');
    const listener = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    const address = listener.address();
    dead = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => listener.close(resolve));
  });
  after(async () => {
    await source.remove();
    await bench.close();
    await rm(folder, { recursive: true });
  });
  afterEach(() => bench.checkNothingLeft());

  /** Sessions of ours, what libpq's programs are told, and a whole test of the source reach the same. */
  async function reached(url: string, password?: string): Promise<{ user: string; database: string }> {
    const { database } = bench;
    const { definition } = await bench.request({ retrieval: 'logical', url });
    const report = await database.testSource(definition, password);
    assert.equal(report.error, null, report.error?.message);
    assert.equal(report.ok, true);
    const session = await openSource({ machine: bench.machine, url, password, member: 'm' });
    const question =
      "SELECT current_user || '|' || current_database() || '|' || current_setting('search_path') AS answer";
    const { rows } = await session.client.query<{ answer: string }>(question);
    await session.client.end();
    const { client } = await testPrograms()();
    assert.ok(client.ok);
    // The psql that travels along knows no TLS; there the test of the source has asked pg_dump.
    if (!/ssl|onlytls/.test(url)) {
      const args = [...libpqArguments(session.source), '-XAtqwc', question];
      assert.doesNotMatch(args.join(' '), /correct horse|key pass/);
      const answer = await bench.machine.run({
        program: client.programs.psql,
        args,
        env: libpqEnvironment(session.source, session),
        parse: ({ code, stdout, stderr }) => {
          assert.equal(code, 0, stderr);
          return stdout.trim();
        },
      });
      assert.equal(answer, rows[0]?.answer);
    }
    const [user = '', name = ''] = rows[0]?.answer.split('|') ?? [];
    return { user, database: name };
  }
  async function refused(url: string, password: string | undefined, expected: RegExp): Promise<void> {
    const { definition } = await bench.request({ retrieval: 'logical', url });
    const { error } = await bench.database.testSource(definition, password);
    assert.ok(error !== null, `${url} was accepted`);
    assert.match(`${error.code}: ${error.message}`, expected);
  }
  const shop = { user: SOURCE_USER, database: 'shop' };

  it('is reached by every spelling of the same', async () => {
    const at = `127.0.0.1:${source.port}`;
    for (const url of [
      `postgresql://${SOURCE_USER}@${at}/shop?schema=public&connection_limit=5&pgbouncer=true`,
      `postgresql+psycopg2://${SOURCE_USER}@${at}/shop`,
      `jdbc:postgresql://${at}/shop?user=${SOURCE_USER}&ApplicationName=x`,
      `host=127.0.0.1 port=${source.port} dbname=shop user=${SOURCE_USER} keepalives_idle=30`,
      `Host=127.0.0.1;Port=${source.port};Database=shop;Username=${SOURCE_USER};Pooling=true`,
      `postgis://${SOURCE_USER}@${at}/shop?conn_max_age=600`,
      `postgresql://${SOURCE_USER}@${at}/shop?options=-c%20search_path%3Dapp`,
    ])
      assert.deepEqual(await reached(url, SOURCE_PASSWORD), shop, url);
    const { rows } = await optionsSeen(
      `postgresql://${SOURCE_USER}@${at}/shop?options=-c%20search_path%3Dapp`,
    );
    assert.deepEqual(rows, [{ path: 'app', readonly: 'on' }]);
  });

  async function optionsSeen(url: string) {
    const session = await openSource({
      machine: bench.machine,
      url,
      password: SOURCE_PASSWORD,
      member: 'm',
    });
    try {
      return await session.client.query(
        "SELECT current_setting('search_path') AS path, current_setting('default_transaction_read_only') AS readonly",
      );
    } finally {
      await session.client.end();
    }
  }

  it('is reached by the folder of its socket, and copied', async () => {
    for (const url of [
      `host=${socket} port=${source.port} dbname=shop user=${SOURCE_USER}`,
      `postgresql://${SOURCE_USER}@/shop?host=${socket}&port=${source.port}`,
      `postgresql://${SOURCE_USER}@${encodeURIComponent(socket)}:${source.port}/shop`,
    ])
      assert.deepEqual(await reached(url, SOURCE_PASSWORD), shop, url);
    await copied(`host=${socket} port=${source.port} dbname=shop user=${SOURCE_USER}`, SOURCE_PASSWORD);
  });

  it('gets no password by its socket where another user listens there than the URL says', async () => {
    const { uid } = statSync(path.join(socket, `.s.PGSQL.${source.port}`));
    const runs = execFileSync('id', ['-un', String(uid)], { encoding: 'utf8' }).trim();
    const other = runs === 'daemon' ? 'bin' : 'daemon';
    const at = (peer: string): string =>
      `host=${socket} port=${source.port} dbname=shop user=${SOURCE_USER} requirepeer=${peer}`;
    assert.deepEqual(await reached(at(runs), SOURCE_PASSWORD), shop);
    await copied(at(runs), SOURCE_PASSWORD);
    await refused(at(other), SOURCE_PASSWORD, /^source_failed:.*run by another user.*requirepeer=/);
    await refused(at('no-such-user'), SOURCE_PASSWORD, /no user no-such-user/);
    // As libpq: it is about sockets alone.
    const url = `postgresql://${SOURCE_USER}@127.0.0.1:${source.port}/shop?requirepeer=${other}`;
    assert.deepEqual(await reached(url, SOURCE_PASSWORD), shop);
  });

  async function copied(url: string, password: string | undefined): Promise<void> {
    const retrieved = await bench.retrieve({ retrieval: 'logical', url }, { password });
    const clone = await bench.start(retrieved.target, retrieved.version);
    assert.deepEqual(await clone.query('shop', 'SELECT count(*)::int AS n FROM orders'), [{ n: 2 }]);
    await clone.stop();
    assert.doesNotMatch(bench.lines.join('\n'), /correct horse|key pass/);
  }

  it('is reached where its first host is dead, and copied', async () => {
    const url = `postgresql://${SOURCE_USER}@127.0.0.1:${dead},127.0.0.1:${source.port}/shop?target_session_attrs=read-write&load_balance_hosts=random`;
    assert.deepEqual(await reached(url, SOURCE_PASSWORD), shop);
    await copied(url, SOURCE_PASSWORD);
    await refused(
      `postgresql://${SOURCE_USER}@127.0.0.1:${dead},localhost:${dead}/shop`,
      SOURCE_PASSWORD,
      /none of its hosts.*127\.0\.0\.1:\d+: Nothing accepts.*localhost:/,
    );
    await refused(url, 'wrong', /^source_password:/);
  });

  it('is one of the kind that is asked for', async () => {
    const at = (database: string, kind: string): string =>
      `postgresql://${SOURCE_USER}@127.0.0.1:${source.port}/${encodeURIComponent(database)}?target_session_attrs=${kind}`;
    for (const kind of ['any', 'primary', 'prefer-standby', 'read-write'])
      assert.deepEqual(await reached(at('shop', kind), SOURCE_PASSWORD), shop, kind);
    assert.equal((await reached(at('re=a/d only', 'read-only'), SOURCE_PASSWORD)).database, 're=a/d only');
    await refused(at('shop', 'standby'), SOURCE_PASSWORD, /is a primary.*target_session_attrs=standby/);
    await refused(at('shop', 'read-only'), SOURCE_PASSWORD, /is a primary that may be written/);
    await refused(at('re=a/d only', 'read-write'), SOURCE_PASSWORD, /is read-only.*read-write/);
  });

  it('is trusted by an authority of its own, and by no other', async () => {
    const at = (query: string): string =>
      `postgresql://${SOURCE_USER}@localhost:${source.port}/shop?hostaddr=127.0.0.1&${query}`;
    const ca = `sslrootcert=${file('ca.crt')}`;
    for (const query of [
      `sslmode=verify-full&${ca}&channel_binding=require&require_auth=scram-sha-256`,
      `sslmode=verify-ca&${ca}&ssl_min_protocol_version=TLSv1.3`,
      `sslmode=require&${ca}`,
      'sslmode=require',
      'ssl=no-verify',
    ])
      assert.deepEqual(await reached(at(query), SOURCE_PASSWORD), shop, query);
    const stranger = `sslrootcert=${file('stranger.crt')}`;
    for (const query of [
      `sslmode=verify-full&${stranger}`,
      `sslmode=verify-ca&${stranger}`,
      `sslmode=require&${stranger}`,
      // Those of the system, as drivers take them.
      'ssl=true',
      'sslmode=verify-full',
    ])
      await refused(at(query), SOURCE_PASSWORD, /^source_tls:/);
    await refused(at('sslmode=verify-ca'), SOURCE_PASSWORD, /^source_tls:.*sslrootcert/);
    await refused(at(`sslmode=require&sslrootcert=${file('none.crt')}`), SOURCE_PASSWORD, /there is no file/);
    // Revocation lists, by their file and by their folder.
    for (const list of [`sslcrl=${file('unrevoked/list.pem')}`, `sslcrldir=${file('unrevoked')}`])
      assert.deepEqual(await reached(at(`sslmode=verify-full&${ca}&${list}`), SOURCE_PASSWORD), shop, list);
    for (const list of [`sslcrl=${file('revoked/list.pem')}`, `sslcrldir=${file('revoked')}`])
      await refused(at(`sslmode=verify-full&${ca}&${list}`), SOURCE_PASSWORD, /^source_tls:.*revoked/);
    await refused(
      at(`sslmode=verify-full&${ca}&sslcrldir=${file('nothing')}`),
      SOURCE_PASSWORD,
      /^source_tls:.*nothing has no revocation list/,
    );
    // The name in the certificate is that of the host, wherever it is.
    await refused(
      `postgresql://${SOURCE_USER}@127.0.0.1:${source.port}/shop?sslmode=verify-full&${ca}`,
      SOURCE_PASSWORD,
      /^source_tls:/,
    );
    assert.deepEqual(await reached(`postgresql://onlytls@localhost:${source.port}/shop`, 'tls'), {
      user: 'onlytls',
      database: 'shop',
    });
  });

  it('lets a client in by its certificate, also with an encrypted key, and is copied', async () => {
    const at = (key: string): string =>
      `postgresql://bycert@127.0.0.1:${source.port}/shop?sslmode=require&sslcert=${file('client.crt')}&sslkey=${file(key)}`;
    const who = { user: 'bycert', database: 'shop' };
    assert.deepEqual(await reached(at('client.key'), undefined), who);
    const services = file('locked.conf', `[locked]\nsslpassword=${KEY_PASSWORD}\n`);
    const locked = `${at('locked.key')}&service=locked&servicefile=${services}`;
    assert.deepEqual(await reached(locked, undefined), who);
    await copied(locked, undefined);
    await refused(at('locked.key'), undefined, /^source_tls:.*needs a password.*service file/);
    const wrong = file('wrong.conf', '[locked]\nsslpassword=another\n');
    await refused(
      `${at('locked.key')}&service=locked&servicefile=${wrong}`,
      undefined,
      /^source_tls:.*can't be opened with sslpassword/,
    );
    // What libpq refuses is refused before anything is copied.
    const open = file('open.key', readFileSync(file('client.key'), 'utf8'));
    chmodSync(open, 0o644);
    await refused(at('open.key'), undefined, /has group or world access/);
  });

  it('has its password in a file, and the rest in a service, and is copied', async () => {
    const escaped = SOURCE_PASSWORD.replace(/[\\:]/g, '\\$&');
    const passwords = file(
      'passwords',
      `# a comment\nelsewhere:*:*:*:wrong\n127.0.0.1:${source.port}:sh\\op:${SOURCE_USER}:${escaped}\n`,
    );
    const services = file(
      'services.conf',
      `# mine\n[other]\nhost=nowhere.invalid\n[mine]\nhost=127.0.0.1\nport=${source.port}\nuser=${SOURCE_USER}\ndbname=shop\npassfile=${passwords}\n`,
    );
    const url = `postgresql:///?service=mine&servicefile=${services}`;
    assert.deepEqual(await reached(url), shop);
    assert.deepEqual(await reached(`service=mine servicefile=${services} dbname=postgres`, SOURCE_PASSWORD), {
      ...shop,
      database: 'postgres',
    });
    await copied(url, undefined);
    await refused(`service=none servicefile=${services}`, undefined, /^source_url:.*service "none"/);
    await refused(`service=none`, undefined, /^source_url:.*\.pg_service\.conf/);
    chmodSync(passwords, 0o644);
    await refused(url, undefined, /^source_password_missing:/);
  });

  it('gets no password by a way that the URL forbids', async () => {
    const at = (user: string, query: string): string =>
      `postgresql://${user}@127.0.0.1:${source.port}/shop?${query}`;
    assert.equal((await reached(at('plain', 'require_auth=password'), 'plain')).user, 'plain');
    await refused(at('plain', 'require_auth=scram-sha-256'), 'plain', /asks for the sign-in "password"/);
    await refused(at('plain', 'require_auth=!password,!md5'), 'plain', /asks for the sign-in "password"/);
    await refused(at('plain', 'channel_binding=require&sslmode=require'), 'plain', /no channel binding/);
    await refused(
      at(SOURCE_USER, 'channel_binding=require&sslmode=disable'),
      SOURCE_PASSWORD,
      /no channel binding/,
    );
    const cert = `sslmode=require&sslcert=${file('client.crt')}&sslkey=${file('client.key')}`;
    await refused(
      at('bycert', `${cert}&require_auth=scram-sha-256`),
      undefined,
      /does not ask for a password/,
    );
  });
});
