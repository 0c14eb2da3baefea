/** Logins of a copy: SCRAM-SHA-256 credentials as servers keep them, and who is given or loses one. */
import { createHash, createHmac, pbkdf2, randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type { MongoClient } from 'mongodb';
import type { Login } from '../database.ts';
import type { Flavour } from './flavours.ts';

/** In every copy, with a random password of that snapshot. */
export const ADMIN_USER = 'thin_clones_engine';

/** `scramSHA256IterationCount` of MongoDB. */
const ITERATIONS = 15_000;
const DUPLICATE = { UserAlreadyExists: 51_003 };

/** Gives a user this password, and makes it where there is none: with all rights, as the clone is its own. */
export async function setPassword(client: MongoClient, flavour: Flavour, login: Login): Promise<void> {
  if (!flavour.abilities.roles) {
    await writeUser(client, login);
    return;
  }
  const admin = client.db('admin');
  const password = { pwd: login.password, mechanisms: ['SCRAM-SHA-256'] };
  try {
    await admin.command({ createUser: login.user, ...password, roles: ['root'] });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === DUPLICATE.UserAlreadyExists))
      throw error;
    await admin.command({ updateUser: login.user, ...password });
  }
}

/** Nobody of the source logs in to a copy: users are credentials, and those are production's. */
export async function removeUsers(client: MongoClient, flavour: Flavour): Promise<void> {
  if (!flavour.abilities.roles) {
    await client.db('admin').collection('system.users').deleteMany({});
    return;
  }
  const { users } = await client.db('admin').command({ usersInfo: { forAllDBs: true } });
  for (const { user, db } of users as readonly { user: string; db: string }[]) {
    if (db !== '$external') await client.db(db).command({ dropUser: user });
  }
}

/** As the server's own createUser does, which it has only while it asks for passwords. */
async function writeUser(client: MongoClient, { user, password }: Login): Promise<void> {
  const users = client.db('admin').collection<{ _id: string }>('system.users');
  const credentials = { 'SCRAM-SHA-256': await scramCredentials(password) };
  const id = `admin.${user}`;
  const { UUID } = await import('mongodb');
  const found = await users.updateOne({ _id: id }, { $set: { credentials } });
  if (found.matchedCount > 0) return;
  await users.insertOne({
    _id: id,
    ...{ credentials, user, db: 'admin', roles: [], userId: new UUID(randomUUID()) },
  });
}

interface ScramCredentials {
  iterationCount: number;
  salt: string;
  storedKey: string;
  serverKey: string;
}

const derive = promisify(pbkdf2);

/** RFC 5802 and RFC 7677. Our passwords are ASCII, which SASLprep leaves as it is. */
export async function scramCredentials(
  password: string,
  salt: Buffer = randomBytes(28),
): Promise<ScramCredentials> {
  const salted = await derive(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const keyed = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  return {
    iterationCount: ITERATIONS,
    salt: salt.toString('base64'),
    storedKey: createHash('sha256').update(keyed('Client Key')).digest('base64'),
    serverKey: keyed('Server Key').toString('base64'),
  };
}
