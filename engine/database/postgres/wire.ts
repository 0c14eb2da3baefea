/** The little of PostgreSQL's protocol (3.0 to 3.2) that an endpoint needs: startup packets, fatal errors. */
import type { Greeting, Wire } from '../../endpoint/wire.ts';
import { HEADER_BYTES } from './messages.ts';
import { follow } from './sessionStream.ts';

/** MAX_STARTUP_PACKET_LENGTH of src/include/libpq/pqcomm.h: the server takes no longer one either. */
const MAX_STARTUP_BYTES = 10_000;

/** What a TLS client begins with: ContentType handshake, RFC 8446 section 5.1. */
const TLS_HANDSHAKE = 22;

/** Codes where a startup packet has its protocol version. */
const CANCEL_REQUEST = 80_877_102;
const SSL_REQUEST = 80_877_103;
const GSSENC_REQUEST = 80_877_104;

/** SQLSTATEs, see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const FEATURE_NOT_SUPPORTED = '0A000';
const ADMIN_SHUTDOWN = '57P01';
const CANNOT_CONNECT_NOW = '57P03';

export const postgresWire: Wire = {
  maxGreeting: MAX_STARTUP_BYTES,
  security: {
    // https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
    protocol: 'postgresql',
    request: Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]),
    agreed: (answer) => ({ S: true, N: false })[answer.toString('latin1')],
  },
  greet,
  follow,
  cancel(key) {
    const payload = Buffer.from(key, 'hex');
    const head = Buffer.alloc(8);
    head.writeInt32BE(8 + payload.length, 0);
    head.writeInt32BE(CANCEL_REQUEST, 4);
    return Buffer.concat([head, payload]);
  },
  refusal: (message, hint) => fatal(CANNOT_CONNECT_NOW, message, hint),
  parting: (message) => fatal(ADMIN_SHUTDOWN, message),
};

function greet(bytes: Buffer): Greeting {
  if (bytes[0] === TLS_HANDSHAKE) return { kind: 'secure', length: 0, agree: undefined, decline: undefined };
  // An HTTP client is told by its first bytes: as a length they are enormous.
  if (bytes.length < 4) return { kind: 'more' };
  const length = bytes.readInt32BE(0);
  if (length < 8 || length > MAX_STARTUP_BYTES) return { kind: 'garbage' };
  if (bytes.length < length) return { kind: 'more' };
  const code = bytes.readInt32BE(4);
  switch (code) {
    case SSL_REQUEST:
      return { kind: 'secure', length, agree: Buffer.from('S'), decline: Buffer.from('N') };
    case GSSENC_REQUEST:
      // There is no Kerberos here: the client goes on without it, or says that it must have it.
      return { kind: 'question', length, answer: Buffer.from('N') };
    case CANCEL_REQUEST:
      return { kind: 'cancel', key: bytes.toString('hex', 8, length) };
    default: {
      // The server itself negotiates the minor version.
      const major = code >> 16;
      if (major === 3) return { kind: 'start', length };
      const message = `unsupported frontend protocol ${major}.${code & 0xffff}: server supports 3.0 and newer`;
      return { kind: 'unsupported', answer: fatal(FEATURE_NOT_SUPPORTED, message) };
    }
  }
}

/** ErrorResponse, after which a server closes: https://www.postgresql.org/docs/current/protocol-error-fields.html */
function fatal(sqlState: string, message: string, hint?: string): Buffer {
  const fields = [
    ['S', 'FATAL'],
    ['V', 'FATAL'],
    ['C', sqlState],
    ['M', message],
    ...(hint === undefined ? [] : [['H', hint]]),
  ];
  // A zero byte would end the field.
  const text = fields.map(([code = '', value = '']) => `${code}${value.replaceAll('\0', ' ')}\0`).join('');
  const payload = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(HEADER_BYTES);
  head.write('E', 0, 'latin1');
  head.writeInt32BE(4 + payload.length, 1);
  return Buffer.concat([head, payload]);
}
