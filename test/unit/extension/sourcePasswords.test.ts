import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecretStorage } from 'vscode';
import { environmentSchema } from '../../../engine/protocol/entities.ts';
import { createSourcePasswords, passwordKey } from '../../../src/sources/sourcePasswords.ts';

const withPassword = (file: string) =>
  environmentSchema.parse({
    name: 'shop',
    createdAt: '2026-11-20T12:00:00.000Z',
    latestSnapshot: null,
    refreshJob: null,
    definition: {
      members: { orders: { engine: 'postgres', retrieval: 'logical', password: { file } } },
    },
  });

describe('the passwords of sources', () => {
  let folder: string;
  const kept = new Map<string, string>();
  const secrets = { get: async (key: string) => kept.get(key) } as unknown as SecretStorage;
  const passwords = createSourcePasswords(secrets, '/home');

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-passwords-'));
  });
  after(() => rm(folder, { recursive: true }));
  beforeEach(() => kept.clear());

  it('come from the file that the definition names, without its last line end', async () => {
    const file = join(folder, 'password');
    await writeFile(file, 'from the file\n');
    assert.deepEqual(await passwords.of(withPassword(file)), { orders: 'from the file' });
  });

  it('come from what was typed before that, and from nowhere when neither is there', async () => {
    const missing = join(folder, 'missing');
    assert.equal(await passwords.of(withPassword(missing)), undefined);
    kept.set(passwordKey('/home', 'shop', 'orders'), 'typed');
    assert.deepEqual(await passwords.of(withPassword(missing)), { orders: 'typed' });
    assert.equal(await passwords.typed('shop', 'orders'), 'typed');
    assert.equal(await passwords.typed('shop', 'billing'), undefined);
  });
});
