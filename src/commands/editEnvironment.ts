/** Changes one thing of an environment: its connection, its password, how its clones behave. */
import * as vscode from 'vscode';
import type { Environment, EnvironmentDefinition, MemberDefinition } from '../../engine/protocol/entities.ts';
import { durationPattern } from '../../engine/protocol/entities.ts';
import { memberNameSchema } from '../../engine/protocol/ids.ts';
import { askPassword } from '../dialogs/askPassword.ts';
import { pickEnvironment, pickValue, type PickItem } from '../dialogs/pick.ts';
import { mayTakePasswords } from '../hosts/passwordConsent.ts';
import type { Services } from '../services.ts';
import { parseConnectionUrl } from '../sources/connectionUrl.ts';
import { findConfigFiles } from '../sources/workspaceFiles.ts';
import { sourceText } from '../views/facts.ts';
import type { EnvironmentRow } from './commandIds.ts';
import { runCommand } from './runCommand.ts';

type Field =
  | { readonly kind: 'url'; readonly member: string; readonly definition: MemberDefinition }
  | { readonly kind: 'password'; readonly member: string; readonly definition: MemberDefinition }
  | { readonly kind: 'idleTtl' }
  | { readonly kind: 'limit' }
  | { readonly kind: 'durable' }
  | { readonly kind: 'file'; readonly uri: vscode.Uri };

export async function editEnvironment(services: Services, row?: EnvironmentRow): Promise<void> {
  const environment = await pickEnvironment(services, row, {
    title: 'Edit Environment',
    placeHolder: 'Which environment?',
  });
  if (environment === undefined) return;
  const title = `Edit ${environment.name}`;
  const field = await pickValue(await fieldsOf(environment), { title, placeHolder: 'What should change?' });
  if (field === undefined) return;
  if (field.kind === 'file') {
    await runCommand('thinClones.environment.apply', field.uri);
    return;
  }
  if (field.kind === 'password') {
    const password = await askPassword({ title, prompt: `Password of ${sourceText(field.definition)}` });
    if (password !== undefined) await services.passwords.store(environment.name, field.member, password);
    return;
  }
  const definition = await changed(environment, field, title);
  if (definition === undefined) return;
  const client = await services.client();
  const passwords = await services.passwords.of(environment);
  const { host } = environment.definition;
  if (passwords !== undefined && !(await mayTakePasswords(services, client, host))) return;
  await client.call('environmentApply', {
    params: { name: environment.name },
    body: { definition, ...(passwords !== undefined && { passwords }) },
  });
}

async function fieldsOf({ definition }: Environment): Promise<PickItem<Field>[]> {
  const { idleTtl, limit, durable } = definition.clones;
  const members = Object.entries(definition.members);
  const suffix = (name: string): string => (members.length === 1 ? '' : ` of ${name}`);
  return [
    ...members.flatMap(([member, each]): PickItem<Field>[] =>
      each.url === undefined
        ? []
        : [
            {
              label: `$(plug) Connection URL${suffix(member)}`,
              description: each.url,
              value: { kind: 'url', member, definition: each },
            },
            {
              label: `$(key) Password${suffix(member)}`,
              value: { kind: 'password', member, definition: each },
            },
          ],
    ),
    {
      label: '$(clock) Destroy idle clones',
      description: idleTtl === undefined ? 'never' : `after ${idleTtl}`,
      value: { kind: 'idleTtl' },
    },
    {
      label: '$(list-ordered) Number of clones',
      description: limit === undefined ? 'no limit' : `at most ${limit}`,
      value: { kind: 'limit' },
    },
    {
      label: '$(zap) Durability of clones',
      description:
        durable === false ? 'off: no fsync, faster, lost in a power failure' : 'on: fsync as in production',
      value: { kind: 'durable' },
    },
    ...(await findConfigFiles()).map((uri): PickItem<Field> => ({
      label: `$(file-code) Apply ${vscode.workspace.asRelativePath(uri)}`,
      description: 'edit the file, then apply it',
      value: { kind: 'file', uri },
    })),
  ];
}

async function changed(
  { definition }: Environment,
  field: Exclude<Field, { kind: 'file' | 'password' }>,
  title: string,
): Promise<EnvironmentDefinition | undefined> {
  const { idleTtl, limit, ...rest } = definition.clones;
  switch (field.kind) {
    case 'url': {
      const answer = await vscode.window.showInputBox({
        title,
        prompt: 'Connection URL, without a password.',
        value: field.definition.url ?? '',
        ignoreFocusOut: true,
        validateInput: (text) => {
          const parsed = parseConnectionUrl(text);
          if (!parsed.ok) return parsed.problem;
          return parsed.value.password === undefined
            ? undefined
            : 'Without the password: choose "Password" for that.';
        },
      });
      const parsed = answer === undefined ? undefined : parseConnectionUrl(answer);
      if (parsed?.ok !== true) return undefined;
      const member = { ...field.definition, url: parsed.value.url };
      return {
        ...definition,
        members: { ...definition.members, [memberNameSchema.parse(field.member)]: member },
      };
    }
    case 'idleTtl': {
      const answer = await vscode.window.showInputBox({
        title,
        prompt:
          'Destroy a clone that nobody connected to for this long, e.g. 30m, 24h, 7d. Empty: never. Protected clones stay.',
        value: idleTtl ?? '',
        validateInput: (text) =>
          text === '' || durationPattern.test(text) ? undefined : 'A number and m, h or d, e.g. 24h.',
      });
      if (answer === undefined) return undefined;
      return {
        ...definition,
        clones: { ...rest, ...(limit !== undefined && { limit }), ...(answer !== '' && { idleTtl: answer }) },
      };
    }
    case 'limit': {
      const answer = await vscode.window.showInputBox({
        title,
        prompt: 'At most this many clones at once, 1 to 1000. Empty: no limit.',
        value: limit === undefined ? '' : String(limit),
        validateInput: (text) =>
          text === '' || /^([1-9]\d{0,2}|1000)$/.test(text) ? undefined : 'A number from 1 to 1000.',
      });
      if (answer === undefined) return undefined;
      return {
        ...definition,
        clones: {
          ...rest,
          ...(idleTtl !== undefined && { idleTtl }),
          ...(answer !== '' && { limit: Number(answer) }),
        },
      };
    }
    case 'durable': {
      const durable = await pickValue(
        [
          { label: 'On', description: 'fsync as in production: survives a power failure', value: true },
          {
            label: 'Off',
            description: 'faster writes; after a power failure a clone is reset',
            value: false,
          },
        ],
        { title, placeHolder: 'For clones that are made or reset from now on' },
      );
      return durable === undefined ? undefined : { ...definition, clones: { ...definition.clones, durable } };
    }
  }
}
