import type { Duplex } from 'node:stream';
export function serveHttp2(bytes: Duplex): void;
export const lastWords: string;
