/** Asks before a host that a repository's file names is reached for the first time: the address is somebody else's word. */
import * as vscode from 'vscode';
import type { Client } from '../../engine/protocol/client.ts';
import type { ErrorDocument } from '../../engine/protocol/entities.ts';
import { hostNameSchema, referenceSchema } from '../../engine/protocol/ids.ts';
import { joinHost } from '../commands/addHost.ts';
import type { Services } from '../services.ts';
import { readPlace } from './addresses.ts';

/** What became of the host of a `host_consent`; undefined: the question was left, and is asked again. */
export async function trustDeclared(
  services: Services,
  client: Client,
  { details }: Pick<ErrorDocument, 'details'>,
): Promise<'joined' | 'declined' | undefined> {
  const text = (field: string): string => {
    const value = details[field];
    return typeof value === 'string' ? value : '';
  };
  const [name, address, known] = [hostNameSchema.parse(text('host')), text('address'), text('known')];
  const trust = 'Trust';
  const decline = "Don't Trust";
  const chosen = await vscode.window.showWarningMessage(
    `Trust host ${name} of thin-clones.yaml?`,
    {
      modal: true,
      detail: [
        `The file says that it is ${address}${known === '' ? '' : `; here it is ${known}`}.`,
        'Trust logs in there by your ssh, and brings the engine there. Either answer is kept for this address; Add Host… changes a no.',
      ].join('\n\n'),
    },
    trust,
    decline,
  );
  if (chosen === decline) {
    await client.call('hostDecline', { body: { name, address } });
    return 'declined';
  }
  if (chosen !== trust) return undefined;
  // What is there goes on, and is found again if it is the same machine.
  if (known !== '') await client.call('hostRemove', { params: { host: referenceSchema.parse(name) } });
  const place = readPlace(text('path') || text('dataset'));
  const wanted = { name, address, place: 'problem' in place ? {} : place };
  return (await joinHost(services, client, wanted)) ? 'joined' : undefined;
}
