/** Makes the SCRAM verifier of a password, so that the clear password never is in an SQL statement. */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/** PostgreSQL's own number of iterations (SCRAM_SHA_256_DEFAULT_ITERATIONS). */
const ITERATIONS = 4096;
const derive = promisify(pbkdf2);

/**
 * The text that PostgreSQL keeps in pg_authid.rolpassword (RFC 5803).
 * Passwords must be ASCII: then SASLprep leaves them as they are.
 */
export async function scramVerifier(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  const salted = await derive(password, salt, ITERATIONS, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
