/** Keeps the passwords of sources in VS Code's secret storage, one entry for each member of each environment. */
import type { SecretStorage } from 'vscode';
import type { Environment, SecretReference } from '../../engine/protocol/entities.ts';
import { readRegularText } from '../../engine/protocol/node/regularFile.ts';

export interface SourcePasswords {
  /** Passwords by member name, as the engine takes them with a refresh; undefined when none is known. */
  of(environment: Environment): Promise<Record<string, string> | undefined>;
  /** What was typed for a member, whether its environment is declared yet or not. */
  typed(environment: string, member: string): Promise<string | undefined>;
  store(environment: string, member: string, password: string): Promise<void>;
  forget(environment: Environment): Promise<void>;
}

/** Two homes may have environments of the same name. JSON keeps names with any character apart. */
export const passwordKey = (home: string, environment: string, member: string): string =>
  `source:${JSON.stringify([home, environment, member])}`;

/** What a definition's `password: { env }` or `{ file }` names, as this window sees it; undefined when that is empty or missing. */
async function referenced(reference: SecretReference): Promise<string | undefined> {
  if ('env' in reference) return process.env[reference.env] || undefined;
  try {
    return (await readRegularText(reference.file, { links: 'followed' })).replace(/\r?\n$/, '') || undefined;
  } catch {
    // best effort: the engine says which place is empty, and a password that was typed is tried next
    return undefined;
  }
}

export function createSourcePasswords(secrets: SecretStorage, home: string): SourcePasswords {
  const typed = async (environment: string, member: string): Promise<string | undefined> =>
    await secrets.get(passwordKey(home, environment, member));
  return {
    async of(environment) {
      const known: Record<string, string> = {};
      for (const [member, { password: reference }] of Object.entries(environment.definition.members)) {
        const password =
          // What was typed counts more: it was asked for because the named place did not help.
          (await typed(environment.name, member)) ??
          (reference === undefined ? undefined : await referenced(reference));
        if (password !== undefined) known[member] = password;
      }
      return Object.keys(known).length === 0 ? undefined : known;
    },
    typed,
    async store(environment, member, password) {
      await secrets.store(passwordKey(home, environment, member), password);
    },
    async forget(environment) {
      for (const member of Object.keys(environment.definition.members)) {
        await secrets.delete(passwordKey(home, environment.name, member));
      }
    },
  };
}
