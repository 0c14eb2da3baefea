/** Joins another machine: asks which one, shows step by step how it is reached, and answers what its login asks. */
import * as vscode from 'vscode';
import type { Client } from '../../engine/protocol/client.ts';
import type { Host } from '../../engine/protocol/entities.ts';
import { toFailure, type ThinClonesError } from '../../engine/protocol/errors.ts';
import { hostNameSchema, type HostName } from '../../engine/protocol/ids.ts';
import { isMemberName } from '../../engine/protocol/names.ts';
import { askName } from '../dialogs/askName.ts';
import { sentences } from '../dialogs/sentences.ts';
import { openPage } from '../documents.ts';
import { configuredChoices, proposedName, readPlace, type FarPlace } from '../hosts/addresses.ts';
import { askAddress, type ChosenAddress } from '../hosts/askAddress.ts';
import { onHost } from '../hosts/onHost.ts';
import { answerQuestions } from '../hosts/questions.ts';
import { showSteps } from '../hosts/showSteps.ts';
import { attemptPage, type Steps } from '../hosts/steps.ts';
import type { Services } from '../services.ts';
import { plain } from '../views/markdown.ts';
import { report } from './hostDoctor.ts';

const title = 'Add Host';

export async function addHost(services: Services): Promise<void> {
  const client = await services.client();
  const { items } = await client.call('sshNameList', {});
  let typed = '';
  for (;;) {
    const chosen = await askAddress(
      title,
      configuredChoices(items, services.session.model.hosts.values()),
      typed,
    );
    if (chosen === undefined) return;
    const name = await askHostName(services, chosen);
    const place = name === undefined ? undefined : await askPlace(name);
    if (name === undefined || place === undefined) return;
    const wanted = { name, address: chosen.address, place };
    if ((await addNamed(services, client, wanted, true)) !== 'another') return;
    typed = chosen.address;
  }
}

async function askHostName(
  services: Services,
  { host, address }: ChosenAddress,
): Promise<HostName | undefined> {
  const taken = new Set<string>(services.session.model.hosts.keys()).add('local');
  return await askName(
    hostNameSchema.refine((name) => isMemberName(name)),
    {
      title,
      prompt: `Name of the host at ${address}. What lives there is called NAME/ENVIRONMENT.`,
      value: proposedName(host, taken),
      taken: [...taken],
      kind: 'host',
      rule: 'use letters, digits, ".", "_" or "-", starting with a letter or digit',
    },
  );
}

/** Undefined when it was left. */
async function askPlace(name: HostName): Promise<FarPlace | undefined> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: `Where data lives on ${name}, if not where its engine finds best: a folder, or a dataset of ZFS. Enter reaches the host, and brings the engine there: nothing else has to be installed.`,
    placeHolder: 'Optional: /srv/thin-clones, or tank/thin',
    ignoreFocusOut: true,
    validateInput(typed) {
      const read = readPlace(typed);
      return 'problem' in read ? read.problem : undefined;
    },
  });
  if (text === undefined) return undefined;
  const read = readPlace(text);
  return 'problem' in read ? {} : read;
}

export interface Wanted {
  readonly name: HostName;
  readonly address: string;
  readonly place: FarPlace;
}

/** Whether it is joined now; `another`: another address is wanted. */
async function addNamed(
  services: Services,
  client: Client,
  wanted: Wanted,
  canChange: boolean,
): Promise<boolean | 'another'> {
  for (;;) {
    const end = await reach(services, client, wanted);
    if (end === undefined) return false;
    if ('host' in end) {
      await tellAdded(services, end.host, end.steps);
      return true;
    }
    const next = await tellFailed(wanted, end.error, end.steps, canChange);
    if (next !== 'again') return next ?? false;
  }
}

/** Whether a host of a name and an address that are settled is joined now. */
export const joinHost = async (services: Services, client: Client, wanted: Wanted): Promise<boolean> =>
  (await addNamed(services, client, wanted, false)) === true;

type End =
  { readonly host: Host; readonly steps: Steps } | { readonly error: ThinClonesError; readonly steps: Steps };

/** Undefined when it was left. */
async function reach(
  services: Services,
  client: Client,
  { name, address, place }: Wanted,
): Promise<End | undefined> {
  const leaving = new AbortController();
  const { signal } = leaving;
  const list = showSteps({
    title: `${title} ${name}`,
    placeholder: `Reaching ${address}. Escape ends it.`,
    onLeft: () => leaving.abort(),
  });
  const subscriptions = [
    onHost(services, name, (host) => list.tell(host)),
    answerQuestions({
      ...{ services, client, host: name },
      onAside: (isAside) => list.setAside(isAside),
      onProblem: (error) => services.log.error('An answer to a login', error),
    }),
  ];
  try {
    const body = { name, address, questions: true, ...place };
    const host = await client.call('hostAdd', { body }, { signal });
    list.tell(host);
    return { host, steps: list.steps() };
  } catch (error) {
    const failure = toFailure(error);
    if (signal.aborted) return undefined;
    services.log.warn(`Host ${name}: ${failure.code}: ${failure.message}`);
    return { error: failure, steps: list.steps() };
  } finally {
    for (const subscription of subscriptions) subscription.dispose();
    list.close();
  }
}

async function tellFailed(
  { name, address }: Wanted,
  { document }: ThinClonesError,
  steps: Steps,
  canChange: boolean,
): Promise<'again' | 'another' | undefined> {
  const again = 'Try Again';
  const another = 'Change Address';
  const log = 'Show Log';
  const text = plain(sentences(document.message, document.next));
  const chosen = await vscode.window.showErrorMessage(text, again, ...(canChange ? [another] : []), log);
  if (chosen === log) await openPage(`${name} (adding)`, attemptPage(name, address, steps, document));
  return chosen === again ? 'again' : chosen === another ? 'another' : undefined;
}

/** What should be known of it comes with the success. */
async function tellAdded(services: Services, host: Host, { checks }: Steps): Promise<void> {
  await services.tree.reveal({ kind: 'host', key: host.name });
  const doubts = checks.filter(({ status }) => status === 'warning' || status === 'problem');
  const [first] = doubts;
  if (first === undefined) {
    vscode.window.setStatusBarMessage(`$(check) Host ${host.name} is joined`, 5000);
    return;
  }
  const details = 'Show Details';
  const more = doubts.length === 1 ? '' : ` There are ${doubts.length - 1} more notes.`;
  void vscode.window
    .showInformationMessage(`Host ${host.name} is joined. ${plain(first.message)}${more}`, details)
    .then((chosen) =>
      chosen === details ? openPage(`${host.name} (host)`, report(host, checks)) : undefined,
    );
}
