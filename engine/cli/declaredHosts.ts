/** The hosts that a file declares for a team: each address is reached when a person has agreed to it, once. */
import type { DeclaredHosts } from '../config/configFile.ts';
import type { Host } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { formatSshAddress, parseSshAddress } from '../protocol/sshAddress.ts';
import { confirm } from './confirm.ts';
import { printable } from './format.ts';
import { atLogin } from './hostLogin.ts';
import type { Session } from './session.ts';

export interface JoinOptions {
  /** The file, as it was typed. */
  file: string;
  yes: boolean | undefined;
}

/** A host that a person agreed to is known by its address: none of them is asked about again. Errors: `canceled`, those of the login. */
export async function joinDeclared(
  session: Session,
  hosts: DeclaredHosts,
  options: JoinOptions,
): Promise<void> {
  if (hosts.size === 0) return;
  const client = await session.client();
  const { items } = await client.call('hostList', {}, { signal: session.signal });
  for (const [name, { address, path, dataset }] of hosts) {
    const places = { path, dataset };
    const wanted = formatSshAddress(parseSshAddress(address));
    const known = items.find((host) => host.name === name);
    if (known !== undefined && isAt(known, wanted)) continue;
    const question = questionOf(name, wanted, known, options.file);
    // By its code, whoever has another way to ask knows what to ask.
    if (options.yes !== true && !session.prompter.available)
      throw fail('host_consent', {
        ...{ host: name, address: wanted, ...places, question },
        ...(known !== undefined && { known: known.address ?? known.kind }),
      });
    await confirm(session.prompter, { question, yes: options.yes });
    // What is there goes on, and is found again if it is the same machine.
    if (known !== undefined)
      await client.call('hostRemove', { params: { host: name } }, { signal: session.signal });
    await atLogin(session, name, (questions) =>
      client.call(
        'hostAdd',
        { body: { name, address: wanted, questions, ...places } },
        { signal: session.signal },
      ),
    );
  }
}

const isAt = ({ address }: Host, wanted: string): boolean =>
  address !== null && formatSshAddress(parseSshAddress(address)) === wanted;

function questionOf(name: string, wanted: string, known: Host | undefined, file: string): string {
  const where = `${printable(file)} says that host ${printable(name)} is ${wanted}`;
  return known === undefined
    ? `${where}. Log in there, and bring the engine?`
    : `${where}; here it is ${printable(known.address ?? known.kind)}. Log in to the other one from now on?`;
}
