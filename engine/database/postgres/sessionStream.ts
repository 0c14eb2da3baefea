/** Follows one session between a client and a PostgreSQL server: who has to speak next, and what names the session. */
import type { SessionStream } from '../../endpoint/wire.ts';
import { readMessages } from './messages.ts';

const typeOf = (letter: string): number => letter.charCodeAt(0);

const BACKEND_KEY_DATA = typeOf('K');
const READY_FOR_QUERY = typeOf('Z');
/** Of the status in it: not in a transaction. */
const IDLE = typeOf('I');

const QUERY = typeOf('Q');
const SYNC = typeOf('S');
const FUNCTION_CALL = typeOf('F');
const COPY_DONE = typeOf('c');
const COPY_FAIL = typeOf('f');

/** A key has 4 to 256 bytes since protocol 3.2, after the process id. */
const MAX_KEY_BYTES = 4 + 256;

export function follow(): SessionStream {
  let keyParts: Buffer[] | undefined;
  let key: string | undefined;
  let loggedIn = false;
  let idle = false;
  let inBlock = false;
  /** What the client has asked and has no answer to, each of which ends with ReadyForQuery. Clients may ask ahead (pipelining). */
  let owed = 0;
  let lastAsked = QUERY;

  const server = readMessages({
    begin(type, bodyBytes) {
      if (type === BACKEND_KEY_DATA && key === undefined && bodyBytes <= MAX_KEY_BYTES) keyParts = [];
      return keyParts !== undefined || type === READY_FOR_QUERY;
    },
    body(part, left) {
      if (keyParts === undefined) {
        ready(part[0]);
        return;
      }
      keyParts.push(part);
      if (left > 0) return;
      key = Buffer.concat(keyParts).toString('hex');
      keyParts = undefined;
    },
  });
  const ready = (status: number | undefined): void => {
    // A server says it first to who has logged in, which is no answer to a question.
    if (loggedIn) owed = Math.max(0, owed - 1);
    loggedIn = true;
    idle = owed === 0;
    inBlock = status !== IDLE;
  };

  const client = readMessages({
    begin(type) {
      if (type === QUERY || type === SYNC || type === FUNCTION_CALL) {
        owed += 1;
        lastAsked = type;
      } else if (type === COPY_DONE || type === COPY_FAIL) {
        // A server that takes in rows passes over the Sync that a driver sent along with the command.
        owed = lastAsked === SYNC ? 0 : Math.min(owed, 1);
      }
      return false;
    },
  });

  return {
    push: (chunk) => server.push(chunk),
    asked(chunk) {
      idle = false;
      client.push(chunk);
    },
    whole: () => server.whole(),
    loggedIn: () => loggedIn,
    idle: () => idle,
    inTransaction: () => loggedIn && (inBlock || !idle),
    key: () => key,
  };
}
