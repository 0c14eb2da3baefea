/** Seals secrets with the installation's key, so that the state and the tags never hold one in clear. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Vault } from '../ports/vault.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * The key of an installation: made once, mode 0600. A file that can't be a key is put aside, as if it were lost: clones
 * get new passwords then. Call as the holder of the engine's lock.
 */
export function loadKey(path: string): Buffer {
  try {
    const key = readFileSync(path);
    if (key.length === keyBytes) return key;
    renameSync(path, `${path}.unusable`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const key = randomBytes(keyBytes);
  // In one step: half a key would seal what nobody can open.
  rmSync(`${path}.new`, { force: true });
  writeFileSync(`${path}.new`, key, { mode: 0o600, flag: 'wx', flush: true });
  renameSync(`${path}.new`, path);
  return key;
}

/** AES-256-GCM: nonce, tag and text, in base64. */
export function createVault(key: Buffer): Vault {
  return {
    seal(secret) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
    },
    open(sealed) {
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), {
        // Else a text that was cut short would be judged by what is left of its tag.
        authTagLength: tagBytes,
      });
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      return Buffer.concat([
        decipher.update(bytes.subarray(nonceBytes + tagBytes)),
        decipher.final(),
      ]).toString('utf8');
    },
  };
}
