/** Says, before the first time, that passwords of sources go to the host whose engine reads the sources. */
import { fail } from '../protocol/errors.ts';
import { confirm } from './confirm.ts';
import type { Session } from './session.ts';

export interface PasswordConsent {
  /** Returns when they may go there. Errors: `canceled`; `usage` where nobody can be asked and `--yes` was not given. */
  for(host: string): Promise<void>;
}

/** A host that a person agreed to for is not asked about again. */
export function createPasswordConsent(session: Session, yes: boolean | undefined): PasswordConsent {
  const agreed = new Set(['local']);
  return {
    async for(name) {
      if (agreed.has(name)) return;
      const client = await session.client();
      const { signal } = session;
      const host = await client.call('hostShow', { params: { host: name } }, { signal });
      if (host.kind !== 'local' && !host.takesPasswords) {
        const place = host.address === null ? host.name : `${host.name} (${host.address})`;
        const question = `Passwords of sources go to the host ${place}: its engine reads the sources, and keeps them sealed there. Send them?`;
        if (yes !== true && !session.prompter.available)
          throw fail('password_consent', { host: name, address: host.address });
        await confirm(session.prompter, { question, yes });
        const input = { params: { host: name }, body: { allow: true } };
        await client.call('hostPasswords', input, { signal });
      }
      agreed.add(name);
    },
  };
}
