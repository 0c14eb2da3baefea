import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Certificates } from '../../../engine/ports/certificates.ts';
import { openHomeCertificates } from '../../../engine/process/certificates/homeCertificates.ts';
import { AUTHORITY_DAYS, SERVER_DAYS } from '../../../engine/process/certificates/issue.ts';
import { testHost } from '../../support/postgresSource.ts';

const dayMs = 86_400_000;

describe('the certificates of a home', () => {
  let root: string;
  let now: number;
  let warnings: string[];
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'tc-certificates-'));
    await chmod(root, 0o755);
    now = Date.parse('2026-11-20T03:00:00.000Z');
    warnings = [];
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const open = async (): Promise<Certificates> => {
    const nothing = (): void => undefined;
    return openHomeCertificates({
      machine: await testHost(),
      clock: { now: () => new Date(now) },
      log: { debug: nothing, info: nothing, error: nothing, warning: (text) => warnings.push(text) },
      ...{ secrets: path.join(root, 'secrets'), forServers: path.join(root, 'tls') },
    });
  };
  const pairOf = (certificates: Certificates) => {
    const current = certificates.current();
    assert.ok(current !== undefined);
    return {
      current,
      server: new X509Certificate(current.server),
      authority: new X509Certificate(current.authority),
    };
  };

  it('names this machine and nothing else, and holds for who trusts the authority', async () => {
    const { server, authority } = pairOf(await open());
    assert.equal(server.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
    assert.equal(server.checkHost('localhost'), 'localhost');
    assert.equal(server.checkHost('db.example.org'), undefined);
    assert.ok(server.checkIP('127.0.0.1') !== undefined && server.checkIP('::1') !== undefined);
    assert.ok(server.checkIssued(authority) && server.verify(authority.publicKey));
    assert.deepEqual([authority.ca, server.ca], [true, false]);
  });

  it('are made once', async () => {
    const first = pairOf(await open()).current;
    const again = await open();
    assert.deepEqual(pairOf(again).current, first);
    assert.equal(await again.renew(), false);
  });

  it('keep keys from everybody but the engine and its servers, and the authority from nobody', async () => {
    const certificates = await open();
    const file = await certificates.serverFile();
    assert.ok(file !== undefined);
    const machine = await testHost();
    for (const name of ['secrets/authority.pem', 'secrets/server.pem', 'tls/server.pem']) {
      assert.equal((await stat(path.join(root, name))).mode & 0o777, 0o600, name);
    }
    if (machine.serverUser !== undefined) assert.equal((await stat(file)).uid, machine.serverUser.uid);
    const authority = await readFile(certificates.authorityFile, 'utf8');
    assert.equal(authority, certificates.current()?.authority);
    assert.doesNotMatch(authority, /PRIVATE KEY/);
    // The authority's key is in its one file, which no server can read.
    assert.deepEqual((await readdir(path.join(root, 'tls'))).sort(), ['authority.crt', 'server.pem']);
    const key = createPublicKey(await readFile(file, 'utf8')).export({ type: 'spki', format: 'pem' });
    assert.notEqual(key, new X509Certificate(authority).publicKey.export({ type: 'spki', format: 'pem' }));
  });

  it('are renewed before they end, once: that of the servers first, under the same authority', async () => {
    const certificates = await open();
    const before = pairOf(certificates);
    // Servers that run have none yet.
    await certificates.renew();
    now += 30 * dayMs;
    assert.equal(await certificates.renew(), false);
    now += (SERVER_DAYS - 60) * dayMs;
    assert.equal(await certificates.renew(), true);
    assert.equal(await certificates.renew(), false);
    const after = pairOf(certificates);
    assert.notEqual(after.current.server, before.current.server);
    assert.equal(after.current.authority, before.current.authority);
    assert.ok(after.server.validToDate.getTime() > now + 365 * dayMs);
    assert.equal(await readFile((await certificates.serverFile()) ?? '', 'utf8'), after.current.server);

    now += (AUTHORITY_DAYS - SERVER_DAYS - 200) * dayMs;
    assert.equal(await certificates.renew(), true);
    const last = pairOf(certificates);
    assert.notEqual(last.current.authority, before.current.authority);
    assert.ok(last.server.verify(last.authority.publicKey));
    assert.equal(await readFile(certificates.authorityFile, 'utf8'), last.current.authority);
  });

  it('keep their authority when the clock was wrong, by decades in either direction', async () => {
    const before = pairOf(await open()).current.authority;
    now -= 3 * 365 * dayMs;
    const early = await open();
    assert.equal(early.current()?.authority, before);
    assert.ok(pairOf(early).server.validFromDate.getTime() <= now);
    now = Date.parse('2051-01-01T00:00:00Z');
    const late = pairOf(await open());
    assert.notEqual(late.current.authority, before);
    assert.ok(late.authority.validToDate.getTime() > now);
    // What was made then holds when the clock is right again.
    now = Date.parse('2026-11-20T03:00:00.000Z');
    const right = pairOf(await open());
    assert.equal(right.current.authority, late.current.authority);
    assert.ok(right.server.validFromDate.getTime() <= now && right.server.validToDate.getTime() > now);
  });

  for (const [what, damage] of [
    ['empty', ''],
    ['not a certificate', 'hello\n'],
    ["a certificate with a stranger's key", undefined],
  ] as const) {
    for (const name of ['authority.pem', 'server.pem']) {
      it(`are made anew when ${name} is ${what}`, async () => {
        const first = pairOf(await open()).current;
        const file = path.join(root, 'secrets', name);
        const other = path.join(root, 'secrets', name === 'server.pem' ? 'authority.pem' : 'server.pem');
        const text = await readFile(file, 'utf8');
        const swapped = text.replace(
          /-----BEGIN PRIVATE[^]*/,
          /-----BEGIN PRIVATE[^]*/.exec(await readFile(other, 'utf8'))?.[0] ?? '',
        );
        await writeFile(file, damage ?? swapped);
        const again = pairOf(await open());
        assert.notEqual(again.current.server, first.server);
        assert.ok(again.server.verify(again.authority.publicKey));
      });
    }
  }

  it('are given again to a server that starts when somebody removed them', async () => {
    const certificates = await open();
    await rm(path.join(root, 'tls'), { recursive: true });
    const file = await certificates.serverFile();
    assert.equal(await readFile(file ?? '', 'utf8'), certificates.current()?.server);
  });

  it('are none where they cannot be kept, which is told and no reason to fail', async () => {
    await writeFile(path.join(root, 'tls'), 'in the way');
    const certificates = await open();
    assert.equal(certificates.current(), undefined);
    assert.equal(await certificates.serverFile(), undefined);
    assert.equal(await certificates.renew(), false);
    assert.match(warnings.join(), /can not be made/);
    await rm(path.join(root, 'tls'));
    await certificates.renew();
    assert.ok(certificates.current() !== undefined);
  });
});
