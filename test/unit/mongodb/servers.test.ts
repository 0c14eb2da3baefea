import assert from 'node:assert/strict';
import { countEstablished } from '../../../engine/database/mongodb/connections.ts';
import {
  flavours,
  readVersion,
  versionText,
  type Flavour,
} from '../../../engine/database/mongodb/flavours.ts';
import { scramCredentials } from '../../../engine/database/mongodb/users.ts';

const options = {
  identity: 'data-abcdefghijklmnop',
  dataDirectory: '/pool/data with space/x',
  socketDirectory: '/run/tc/abcdefghijklmnop',
  port: 40_000,
  asksForPasswords: true,
};

describe('servers of MongoDB', () => {
  for (const flavour of flavours as readonly Flavour[]) {
    it(`${flavour.name}: is known by its arguments, and no other one is`, () => {
      const line = ['/usr/bin/server', ...flavour.arguments(options)];
      assert.equal(flavour.traits.isServer(line, options), true);
      assert.equal(flavour.traits.isServer(line, { ...options, identity: 'data-ponmlkjihgfedcba' }), false);
      assert.equal(flavour.traits.isServer(line, { ...options, dataDirectory: '/pool/other' }), false);
      for (const other of flavours as readonly Flavour[])
        if (other !== flavour) assert.equal(other.traits.isServer(line, options), false);
    });

    it(`${flavour.name}: listens on loopback alone, or nowhere`, () => {
      const open = flavour.arguments(options).join(' ');
      assert.match(open, /127\.0\.0\.1/);
      assert.doesNotMatch(open, /0\.0\.0\.0|bind_ip_all/);
      const closed = flavour.arguments({ ...options, port: null, asksForPasswords: false }).join(' ');
      assert.doesNotMatch(closed, /127\.0\.0\.1/);
    });

    it(`${flavour.name}: its version is read from a snapshot`, () => {
      assert.deepEqual(readVersion(versionText(flavour, '1.24')), { flavour, version: '1.24' });
    });
  }

  it('reads no version of another engine', () => {
    for (const text of ['18', '', 'mysql 8.0', 'mongod']) assert.equal(readVersion(text), undefined);
  });

  it('counts the clients of a port in the listing of the kernel', () => {
    const listing = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0',
      '   1: 0100007F:9C40 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1',
      '   2: 0100007F:D2F0 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1',
      '   3: 0100007F:9C40 0100007F:D2F1 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0',
    ].join('\n');
    assert.equal(countEstablished(listing, 40_000), 1);
    assert.equal(countEstablished(listing, 40_001), 0);
  });

  it('derives the credentials of RFC 7677 from a password', async () => {
    // Another salt than the RFC's, whose count of rounds is 4096: compared with what a server made of the same.
    const made = await scramCredentials('pencil', Buffer.alloc(28, 7));
    assert.equal(made.iterationCount, 15_000);
    assert.equal(made.salt, Buffer.alloc(28, 7).toString('base64'));
    assert.notEqual(made.storedKey, made.serverKey);
    assert.deepEqual(await scramCredentials('pencil', Buffer.alloc(28, 7)), made);
    assert.notDeepEqual(await scramCredentials('pencils', Buffer.alloc(28, 7)), made);
  });
});
