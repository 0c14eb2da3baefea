/** Answers what ssh asks a person: ssh runs a small program of ours (SSH_ASKPASS), which asks back here over a private socket. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { plainLines } from '../lastWords.ts';
import type { Ask, Question } from '../link.ts';

export interface Askpass {
  /** For ssh. */
  readonly environment: Readonly<Record<string, string>>;
  /** The question that nobody answered, or answered by no. */
  declined(): Question | undefined;
  close(): Promise<void>;
}

export interface AskpassOptions {
  ask: Ask;
  /** What ssh only tells, such as that a security key waits to be touched. */
  onNotice: (text: string) => void;
  /** Called when a person begins and when it ends to think about a question. */
  onAsking: (asking: boolean) => void;
  environment: Readonly<Record<string, string | undefined>>;
}

/** It runs under any Node, also one that is VS Code itself, and knows nothing but the question. */
const program = `
const variable = (name) => process.env['THIN_CLONES_ASKPASS_' + name];
const socket = require('node:net').connect(variable('SOCKET'));
const question = { token: variable('TOKEN'), prompt: process.argv[2] || '', hint: process.env.SSH_ASKPASS_PROMPT || '' };
socket.write(JSON.stringify(question) + '\\n');
let text = '';
socket.setEncoding('utf8').on('data', (chunk) => (text += chunk));
socket.on('error', () => process.exit(1));
socket.on('end', () => {
  if (text === '') process.exit(1);
  process.stdout.write(JSON.parse(text).answer + '\\n', () => process.exit(0));
});
`;

const requestSchema = z.object({ token: z.string(), prompt: z.string(), hint: z.string() });
const longestRequest = 64 * 1024;

export async function openAskpass(options: AskpassOptions): Promise<Askpass> {
  const windows = process.platform === 'win32';
  const folder = await mkdtemp(join(tmpdir(), 'tca-'));
  const token = randomBytes(24).toString('base64url');
  const socket = windows ? `\\\\.\\pipe\\thin-clones-${token.slice(0, 16)}` : join(folder, 's');
  const script = join(folder, 'askpass.cjs');
  const starter = join(folder, windows ? 'askpass.cmd' : 'askpass.sh');
  await writeFile(script, program, { mode: 0o600 });
  await writeFile(
    starter,
    windows
      ? '@"%THIN_CLONES_ASKPASS_NODE%" "%THIN_CLONES_ASKPASS_SCRIPT%" %*\r\n'
      : '#!/bin/sh\nexec "$THIN_CLONES_ASKPASS_NODE" "$THIN_CLONES_ASKPASS_SCRIPT" "$@"\n',
  );
  await chmod(starter, 0o700);

  let declined: Question | undefined;
  const open = new Set<Socket>();
  const server = createServer((connection) => {
    open.add(connection);
    const gone = new AbortController();
    connection.once('close', () => {
      open.delete(connection);
      gone.abort();
    });
    // best effort: ssh ended while it asked; the signal tells whoever answers.
    connection.on('error', () => undefined);
    void answer(connection, token, gone.signal, options).then((left) => {
      declined = left ?? declined;
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  return {
    environment: {
      SSH_ASKPASS: starter,
      SSH_ASKPASS_REQUIRE: 'force',
      // Before OpenSSH 8.4 it is asked for only with one.
      DISPLAY: options.environment['DISPLAY'] ?? ':0',
      ELECTRON_RUN_AS_NODE: '1',
      THIN_CLONES_ASKPASS_NODE: process.execPath,
      THIN_CLONES_ASKPASS_SCRIPT: script,
      THIN_CLONES_ASKPASS_SOCKET: socket,
      THIN_CLONES_ASKPASS_TOKEN: token,
    },
    declined: () => declined,
    async close() {
      server.close();
      for (const connection of open) connection.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves with the question when it was declined. */
async function answer(
  connection: Socket,
  token: string,
  signal: AbortSignal,
  { ask, onNotice, onAsking }: AskpassOptions,
): Promise<Question | undefined> {
  const request = requestSchema.safeParse(parsed(await firstLine(connection)));
  if (!request.success || request.data.token !== token) {
    connection.destroy();
    return undefined;
  }
  const { prompt, hint } = request.data;
  const question = questionOf(prompt);
  // It stays until ssh ends it: it says what a person is to do meanwhile.
  if (hint === 'none') {
    onNotice(question.text);
    return undefined;
  }
  onAsking(true);
  let said: string | undefined;
  try {
    said = await ask(question, signal);
  } catch {
    // best effort: whoever was asked is gone; for ssh that is no answer.
  } finally {
    onAsking(false);
  }
  const agreed = question.kind !== 'host-key' || said === 'yes';
  if (said === undefined || said.includes('\n') || !agreed) {
    connection.end();
    return question;
  }
  connection.end(JSON.stringify({ answer: said }));
  return undefined;
}

async function firstLine(connection: Socket): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    connection.setEncoding('utf8');
    connection.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n') || text.length > longestRequest) resolve(text);
    });
    connection.once('close', () => resolve(text));
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // best effort: what is no question is refused by the schema.
    return undefined;
  }
}

/** What ssh asks is told apart by its words: SSH_ASKPASS gets nothing else. */
export function questionOf(prompt: string): Question {
  const text = plainLines(prompt).join('\n');
  const fingerprint = /SHA256:[A-Za-z0-9+/]{43}/.exec(text)?.[0];
  if (/continue connecting \(yes\/no/.test(text))
    return { kind: 'host-key', text, ...(fingerprint !== undefined && { fingerprint }) };
  if (/^Enter (passphrase|PIN) for /.test(text)) return { kind: 'passphrase', text };
  if (/one[- ]time|verification code|passcode|\botp\b/i.test(text)) return { kind: 'code', text };
  if (/password/i.test(text)) return { kind: 'password', text };
  return { kind: 'other', text };
}
