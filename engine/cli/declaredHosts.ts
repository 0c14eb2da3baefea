/** The hosts that a file declares for a team: each address is reached when a person has agreed to it, and asked about once. */
import type { DeclaredHosts, Environments } from '../config/configFile.ts';
import type { EnvironmentDefinition, Host } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import type { HostName } from '../protocol/ids.ts';
import { formatSshAddress, parseSshAddress } from '../protocol/sshAddress.ts';
import { agrees } from './confirm.ts';
import { printable } from './format.ts';
import { atLogin } from './hostLogin.ts';
import type { Session } from './session.ts';

export interface JoinOptions {
  /** The file, as it was typed. */
  file: string;
  yes: boolean | undefined;
}

/** Those that a person said no to, with the address of the file. */
export type Declined = ReadonlyMap<string, string>;

interface Declaration {
  name: HostName;
  /** Written in one way. */
  address: string;
  path?: string | undefined;
  dataset?: string | undefined;
  /** A host that has this name here, at another address. */
  known: Host | undefined;
}

/** A host that a person agreed to is known by its address, and a no is kept. Errors: `canceled`, `host_consent`, those of the login. */
export async function joinDeclared(
  session: Session,
  hosts: DeclaredHosts,
  options: JoinOptions,
): Promise<Declined> {
  const declined = new Map<string, string>();
  if (hosts.size === 0) return declined;
  const client = await session.client();
  const { signal } = session;
  const { items } = await client.call('hostList', {}, { signal });
  const wanted = [...hosts].flatMap(([host, { address, ...places }]): Declaration[] => {
    const known = items.find(({ name }) => name === host);
    const declaration = {
      name: host as HostName,
      address: formatSshAddress(parseSshAddress(address)),
      ...places,
    };
    return known !== undefined && isAt(known, declaration.address) ? [] : [{ ...declaration, known }];
  });
  if (wanted.length === 0) return declined;
  const { items: before } = await client.call('hostDeclinedList', {}, { signal });
  for (const each of wanted) {
    const isDeclined = before.some(({ name, address }) => name === each.name && address === each.address);
    if ((options.yes !== true && isDeclined) || !(await agreesTo(session, each, options)))
      declined.set(each.name, each.address);
    else await join(session, each);
  }
  return declined;
}

/** A no is kept. */
async function agreesTo(
  session: Session,
  declaration: Declaration,
  { file, yes }: JoinOptions,
): Promise<boolean> {
  const { name, address, path, dataset, known } = declaration;
  const question = questionOf(declaration, file);
  // By its code, whoever has another way to ask knows what to ask.
  if (yes !== true && !session.prompter.available)
    throw fail('host_consent', {
      ...{ host: name, address, path, dataset, question },
      ...(known !== undefined && { known: known.address ?? known.kind }),
    });
  if (await agrees(session.prompter, { question, yes })) return true;
  const client = await session.client();
  await client.call('hostDecline', { body: { name, address } }, { signal: session.signal });
  return false;
}

async function join(session: Session, { name, address, path, dataset, known }: Declaration): Promise<void> {
  const client = await session.client();
  const { signal } = session;
  // What is there goes on, and is found again if it is the same machine.
  if (known !== undefined) await client.call('hostRemove', { params: { host: name } }, { signal });
  await atLogin(session, name, (questions) =>
    client.call('hostAdd', { body: { name, address, questions, path, dataset } }, { signal }),
  );
}

/** What lives on a host that somebody said no to is left out, and said. Errors: `host_declined`, when nothing is left. */
export function withoutDeclined(
  session: Session,
  environments: Environments,
  declined: Declined,
  file: string,
): { left: Environments; leftOut: { environment: string; host: string; address: string }[] } {
  const left = new Map<string, EnvironmentDefinition>();
  const leftOut: ReturnType<typeof withoutDeclined>['leftOut'] = [];
  for (const [environment, definition] of environments) {
    const { host } = definition;
    const address = declined.get(host);
    if (address === undefined) left.set(environment, definition);
    else leftOut.push({ environment, host, address });
  }
  const [first] = leftOut;
  if (left.size === 0 && first !== undefined)
    throw fail('host_declined', { host: first.host, address: first.address, file });
  for (const { environment, host, address } of leftOut)
    session.output.note(
      `${environment}: left out, since you said no to host ${host} at ${address}. To agree now: thin-clones host add ${host} ${address}, or --yes`,
    );
  return { left, leftOut };
}

const isAt = ({ address }: Host, wanted: string): boolean =>
  address !== null && formatSshAddress(parseSshAddress(address)) === wanted;

function questionOf({ name, address, known }: Declaration, file: string): string {
  const where = `${printable(file)} says that host ${printable(name)} is ${address}`;
  return known === undefined
    ? `${where}. Log in there, and bring the engine?`
    : `${where}; here it is ${printable(known.address ?? known.kind)}. Log in to the other one from now on?`;
}
