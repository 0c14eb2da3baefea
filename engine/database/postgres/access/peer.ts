/** Says whether the server behind a socket is run by the user that a source has to be of (libpq's requirepeer). */
import path from 'node:path';
import { fail } from '../../../protocol/errors.ts';
import { isSocketFolder } from '../../../protocol/connectionUrl/connectionUrl.ts';
import type { Machine } from '../../../machine/machine.ts';
import type { SourceConnection } from './candidates.ts';
import type { OwnFiles } from './ownFiles.ts';

/**
 * Asked before a session begins, since a password goes there. libpq asks the socket; a socket's file belongs to whoever
 * listens there, since nobody can give one away. Rejects with `source_failed`. Of other ways to a server it says nothing, as libpq.
 */
export async function checkPeer(
  { host, port, parameters }: Pick<SourceConnection, 'host' | 'port' | 'parameters'>,
  machine: Pick<Machine, 'files'>,
  own: OwnFiles,
): Promise<void> {
  const wanted = parameters['requirepeer'];
  if (wanted === undefined || !isSocketFolder(host)) return;
  const file = path.join(host, `.s.PGSQL.${port}`);
  const found = await machine.files.stat(file);
  // Nobody listens there: connecting says so better.
  if (found === undefined) return;
  const refuse = (what: string): never => {
    throw fail('source_failed', { problem: `${what}, and the URL has requirepeer=${wanted}` });
  };
  const number = await own.numberOf(wanted);
  if (number === undefined) return refuse(`this machine has no user ${wanted}`);
  if (number !== found.owner) refuse(`the server at ${file} is run by another user (${found.owner})`);
}
