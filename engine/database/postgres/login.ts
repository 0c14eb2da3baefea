/**
 * Opens a session as a person does, by the server's port and a password, and asks which server it is.
 *
 * The little of the protocol that this takes stands here, since it is on the way of every clone: a client for everything derives the
 * keys of the password anew, with ten trips to the thread pool, and begins with the login when it connects.
 */
import { connect, type Socket } from 'node:net';
import { SCRAM, scramSecret, startScram, type ScramExchange, type ScramSecret } from './scram.ts';
import { APPLICATION_NAME } from './admin.ts';

/** https://www.postgresql.org/docs/current/protocol-message-formats.html, Authentication... */
const AUTHENTICATION = { ok: 0, clearText: 3, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;
const PROTOCOL_3_0 = Buffer.from([0, 3, 0, 0]);
const HEADER_BYTES = 5;

export interface PersonLogin {
  user: string;
  password: string;
  database: string;
  /** Derived from the password with a salt, to be used where the server has that salt. */
  secret?: ScramSecret | undefined;
}

export interface LoginBounds {
  /** How long the server may say nothing. */
  patienceMs: number;
  signal?: AbortSignal | undefined;
}

interface Message {
  type: string;
  body: Buffer;
}

/** Connects, so that the server has a process for the session before there is anything to say. Its errors come with the login. */
export function knock(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  return socket;
}

/** The `cluster_name` of the server, asked in a session of this login. Rejects with the server's own error, and its SQLSTATE as `code`. */
export async function askName(
  socket: Socket,
  login: PersonLogin,
  { patienceMs, signal }: LoginBounds,
): Promise<string> {
  const hangUp = (): void => void socket.destroy();
  signal?.addEventListener('abort', hangUp, { once: true });
  socket.setTimeout(patienceMs, () =>
    socket.destroy(new Error(`it did not answer within ${patienceMs / 1000} s.`)),
  );
  try {
    signal?.throwIfAborted();
    const messages = readMessages(socket);
    await begin(socket, messages, login);
    socket.write(message('Q', text('SHOW cluster_name')));
    let name = '';
    for (;;) {
      const { type, body } = await next(messages);
      // The count of columns (2 bytes), then the length of the first one (4).
      if (type === 'D') name = body.toString('utf8', 6);
      if (type === 'Z') break;
    }
    // Terminate; what the server does at the end of a session is not waited for.
    socket.write(message('X'));
    socket.destroySoon();
    return name;
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', hangUp);
  }
}

/** From the start packet to ReadyForQuery. */
async function begin(
  socket: Socket,
  messages: AsyncGenerator<Message, void>,
  login: PersonLogin,
): Promise<void> {
  const settings = { user: login.user, database: login.database, application_name: APPLICATION_NAME };
  socket.write(message('', PROTOCOL_3_0, ...Object.entries(settings).flat().map(text), Buffer.alloc(1)));
  let exchange: ScramExchange | undefined;
  for (;;) {
    const { type, body } = await next(messages);
    if (type === 'Z') return;
    if (type !== 'R') continue;
    const said = body.toString('utf8', 4);
    switch (body.readInt32BE(0)) {
      case AUTHENTICATION.ok:
        break;
      case AUTHENTICATION.clearText:
        socket.write(message('p', text(login.password)));
        break;
      case AUTHENTICATION.sasl: {
        exchange = startScram();
        const first = Buffer.from(exchange.first);
        const length = Buffer.alloc(4);
        length.writeInt32BE(first.length);
        socket.write(message('p', text(SCRAM), length, first));
        break;
      }
      case AUTHENTICATION.saslContinue: {
        const answer = await exchange?.answer(said, (salt, iterations) => secretOf(login, salt, iterations));
        socket.write(message('p', Buffer.from(answer ?? '')));
        break;
      }
      case AUTHENTICATION.saslFinal:
        exchange?.finish(said);
        break;
      default:
        throw new Error(`it asks for a way to log in (${body.readInt32BE(0)}) that is not known here.`);
    }
  }
}

async function secretOf(
  { password, secret }: PersonLogin,
  salt: Buffer,
  iterations: number,
): Promise<ScramSecret> {
  const isKnown = secret !== undefined && secret.iterations === iterations && secret.salt.equals(salt);
  return isKnown ? secret : await scramSecret(password, salt, iterations);
}

/** Throws what the server says is wrong. */
async function next(messages: AsyncGenerator<Message, void>): Promise<Message> {
  const { value, done } = await messages.next();
  if (done === true) throw new Error('it ended the connection without a word.');
  if (value.type === 'E') throw errorOf(value.body);
  return value;
}

async function* readMessages(socket: Socket): AsyncGenerator<Message, void> {
  let unread = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length >= HEADER_BYTES) {
      // The length counts itself, not the type before it.
      const end = 1 + unread.readInt32BE(1);
      if (end < HEADER_BYTES) throw new Error('it does not speak the protocol of PostgreSQL.');
      if (unread.length < end) break;
      const whole = { type: unread.toString('latin1', 0, 1), body: unread.subarray(HEADER_BYTES, end) };
      unread = unread.subarray(end);
      yield whole;
    }
  }
}

/** https://www.postgresql.org/docs/current/protocol-error-fields.html */
function errorOf(body: Buffer): Error {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  return Object.assign(new Error(fields.get('M') ?? 'an error without a message'), { code: fields.get('C') });
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);

/** The start packet has no type. */
function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(type.length + 4);
  head.write(type, 'latin1');
  head.writeInt32BE(4 + body.length, type.length);
  return Buffer.concat([head, body]);
}
