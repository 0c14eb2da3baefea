/** Cuts what one side of a PostgreSQL session sends into messages, however it comes in pieces. */

/** Type and length, which counts itself but not the type: https://www.postgresql.org/docs/current/protocol-overview.html */
export const HEADER_BYTES = 5;

export interface MessagesReader {
  /** A message begins; `bodyBytes` follow. True when they are to be told. */
  begin(type: number, bodyBytes: number): boolean;
  /** The next part of such a body; `left` bytes of it are still to come. */
  body?(part: Buffer, left: number): void;
}

export interface Messages {
  push(chunk: Buffer): void;
  /** All that was pushed ends with a whole message. */
  whole(): boolean;
}

export function readMessages(reader: MessagesReader): Messages {
  /** Bytes of the current message that are still to come. */
  let left = 0;
  let isTold = false;
  /** The start of a header that a chunk did not hold as a whole. */
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  /** Not this protocol. */
  let lost = false;

  const begin = (type: number, length: number): void => {
    left = length - 4;
    if (left < 0) lost = true;
    else isTold = reader.begin(type, left);
  };

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length && !lost) {
        if (left > 0) {
          const end = Math.min(at + left, chunk.length);
          left -= end - at;
          if (isTold) reader.body?.(chunk.subarray(at, end), left);
          at = end;
        } else if (headerBytes === 0 && chunk.length - at >= HEADER_BYTES) {
          begin(chunk.readUInt8(at), chunk.readInt32BE(at + 1));
          at += HEADER_BYTES;
        } else {
          const taken = chunk.copy(header, headerBytes, at, at + HEADER_BYTES - headerBytes);
          headerBytes += taken;
          at += taken;
          if (headerBytes === HEADER_BYTES) {
            headerBytes = 0;
            begin(header.readUInt8(0), header.readInt32BE(1));
          }
        }
      }
    },
    whole: () => left === 0 && headerBytes === 0 && !lost,
  };
}
