/** What a link leads to in the contract suite: `node farEnd.mjs echo | http2 | leave`. Runs alone, also where nothing else of the project is. */
import http2 from 'node:http2';
import { Duplex } from 'node:stream';

export function serveHttp2(bytes) {
  const session = http2.performServerHandshake(bytes);
  session.on('error', () => undefined);
  session.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  session.on('close', () => bytes.destroy());
}

export const lastWords = 'the far end had enough';

const [mode] = process.argv.slice(2);
if (mode === 'echo') process.stdin.pipe(process.stdout);
if (mode === 'http2') serveHttp2(Duplex.from({ readable: process.stdin, writable: process.stdout }));
if (mode === 'leave') {
  process.stdin.once('data', () => {
    process.stderr.write(`noise\n\u001b[31m${lastWords}\u001b[0m\n`, () => process.exit(3));
  });
}
