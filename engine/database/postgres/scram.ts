/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677): the verifier of a password, so that the clear password never is in an SQL statement,
 * and the client's side of a login with it.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** The mechanism's name. */
export const SCRAM = 'SCRAM-SHA-256';
/** PostgreSQL's own number of iterations (SCRAM_SHA_256_DEFAULT_ITERATIONS). */
const ITERATIONS = 4096;
/** As many as a server may ask for: it could keep us at work for long. */
const MAX_ITERATIONS = 1_000_000;
const derive = promisify(pbkdf2);

/** What a password becomes with a salt; it opens what the password opens. */
export interface ScramSecret {
  salt: Buffer;
  iterations: number;
  salted: Buffer;
}

/**
 * Takes 2 ms in the thread pool.
 * Passwords must be ASCII: then SASLprep leaves them as they are.
 */
export async function scramSecret(
  password: string,
  salt: Buffer = randomBytes(16),
  iterations = ITERATIONS,
): Promise<ScramSecret> {
  return { salt, iterations, salted: await derive(password, salt, iterations, 32, 'sha256') };
}

/** The text that PostgreSQL keeps in pg_authid.rolpassword (RFC 5803). */
export function scramVerifier({ salt, iterations, salted }: ScramSecret): string {
  const storedKey = sha256(keyOf(salted, 'Client Key')).toString('base64');
  const serverKey = keyOf(salted, 'Server Key').toString('base64');
  return `${SCRAM}$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/** One login, without channel binding. */
export interface ScramExchange {
  /** client-first-message. */
  readonly first: string;
  /** Answers server-first-message with client-final-message. */
  answer(
    serverFirst: string,
    secretOf: (salt: Buffer, iterations: number) => Promise<ScramSecret>,
  ): Promise<string>;
  /** Checks server-final-message: only who knows the verifier can have made it. */
  finish(serverFinal: string): void;
}

/** PostgreSQL takes the user from the start packet, and nothing here. */
export function startScram(
  nonce: string = randomBytes(18).toString('base64'),
  { user = '' }: { user?: string } = {},
): ScramExchange {
  const bare = `n=${user},r=${nonce}`;
  let expected: Buffer | undefined;
  return {
    first: `n,,${bare}`,
    async answer(serverFirst, secretOf) {
      const [, whole = '', salt = '', count = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(serverFirst) ?? [];
      const iterations = Number(count);
      const isSound = whole.startsWith(nonce) && whole.length > nonce.length;
      if (!isSound || iterations < 1 || iterations > MAX_ITERATIONS)
        throw new Error('it does not answer as SCRAM-SHA-256 says.');
      const { salted } = await secretOf(Buffer.from(salt, 'base64'), iterations);
      const withoutProof = `c=${Buffer.from('n,,').toString('base64')},r=${whole}`;
      const all = `${bare},${serverFirst},${withoutProof}`;
      const clientKey = keyOf(salted, 'Client Key');
      const signature = keyOf(sha256(clientKey), all);
      const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
      expected = keyOf(keyOf(salted, 'Server Key'), all);
      return `${withoutProof},p=${proof.toString('base64')}`;
    },
    finish(serverFinal) {
      const [, signature = ''] = /^v=([^,]+)/.exec(serverFinal) ?? [];
      const given = Buffer.from(signature, 'base64');
      if (expected?.length !== given.length || !timingSafeEqual(expected, given))
        throw new Error('it does not know the password that it asked for.');
    },
  };
}

const keyOf = (key: Buffer, words: string): Buffer => createHmac('sha256', key).update(words).digest();
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
