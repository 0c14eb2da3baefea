/** Asks before a host that a repository's file names is reached for the first time: the address is somebody else's word. */
import * as vscode from 'vscode';
import type { Client } from '../../engine/protocol/client.ts';
import type { ErrorDocument } from '../../engine/protocol/entities.ts';
import { hostNameSchema, referenceSchema } from '../../engine/protocol/ids.ts';
import { joinHost } from '../commands/addHost.ts';
import type { Services } from '../services.ts';
import { readPlace } from './addresses.ts';

/** Whether the host of a `host_consent` is joined now. */
export async function trustDeclared(
  services: Services,
  client: Client,
  { details }: Pick<ErrorDocument, 'details'>,
): Promise<boolean> {
  const text = (field: string): string => {
    const value = details[field];
    return typeof value === 'string' ? value : '';
  };
  const [name, address, known] = [hostNameSchema.parse(text('host')), text('address'), text('known')];
  const trust = 'Trust';
  const chosen = await vscode.window.showWarningMessage(
    `Trust host ${name} of thin-clones.yaml?`,
    {
      modal: true,
      detail: [
        `The file says that it is ${address}${known === '' ? '' : `; here it is ${known}`}.`,
        'Trust logs in there by your ssh, and brings the engine there. You are asked once for this address.',
      ].join('\n\n'),
    },
    trust,
  );
  if (chosen !== trust) return false;
  // What is there goes on, and is found again if it is the same machine.
  if (known !== '') await client.call('hostRemove', { params: { host: referenceSchema.parse(name) } });
  const place = readPlace(text('path') || text('dataset'));
  return await joinHost(services, client, { name, address, place: 'problem' in place ? {} : place });
}
