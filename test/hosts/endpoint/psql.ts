/** The real psql against a port of 127.0.0.1. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { clientTools } from '../../../engine/database/postgres/programs.ts';
import { SOURCE_PASSWORD, SOURCE_USER, testPrograms } from '../../support/postgresSource.ts';

export interface Psql {
  child: ChildProcess;
  /** Resolves when psql has ended. */
  result: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

export interface PsqlOptions {
  /** Default: the one that comes along, which has no TLS. */
  program?: string;
  port: number;
  /** More parts of the connection string. */
  connection?: string;
  password?: string;
  args: readonly string[];
  /** Left to the caller, who reads or writes more than a little. */
  stdin?: 'pipe';
  stdout?: 'pipe';
}

export async function startPsql(options: PsqlOptions): Promise<Psql> {
  const { port, connection = '', password = SOURCE_PASSWORD, args } = options;
  const psql = options.program ?? (await clientTools(testPrograms())).psql;
  const where = `host=127.0.0.1 port=${port} user=${SOURCE_USER} dbname=postgres ${connection}`;
  const child = spawn(psql, ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', where, ...args], {
    env: { PATH: process.env['PATH'], PGPASSWORD: password, LC_ALL: 'C' },
    stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  if (options.stdout === undefined) child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const result = once(child, 'close').then(([code]: (number | null)[]) => ({
    code: code ?? null,
    stdout: stdout.trimEnd(),
    stderr: stderr.trimEnd(),
  }));
  return { child, result };
}
