/** Says which ways to sign in a source may ask for, before a password goes there (libpq's require_auth, channel_binding). */
import type { Client } from 'pg';
import { fail } from '../../../protocol/errors.ts';
import type { SourceConnection } from './candidates.ts';

type Method = 'password' | 'md5' | 'scram-sha-256' | 'none';

export interface SignIn {
  /** Asked by pg when the server wants a password. Rejects with `source_password_missing`, `source_failed`. */
  readonly password: () => Promise<string>;
  /** Looks at what a session asks for; called before it connects. */
  readonly watch: (client: Client) => void;
  /** Errors: `source_failed` when nothing was asked for and that is not allowed. */
  readonly check: () => void;
}

export function createSignIn(source: SourceConnection, member: string): SignIn {
  const asked = source.parameters['require_auth'];
  const binding = source.parameters['channel_binding'];
  let method: Method = 'none';
  let mechanisms: readonly string[] = [];
  const checkMethod = (): void => {
    if (asked !== undefined && !isAllowed(method, asked)) {
      const words = method === 'none' ? 'does not ask for a password' : `asks for the sign-in "${method}"`;
      throw fail('source_failed', {
        problem: `${source.host} ${words}, and the URL has require_auth=${asked}`,
      });
    }
    if (binding === 'require' && !mechanisms.includes('SCRAM-SHA-256-PLUS'))
      throw fail('source_failed', {
        problem: `${source.host} offers no channel binding, and the URL has channel_binding=require`,
      });
  };
  return {
    watch({ connection }) {
      connection.once('authenticationCleartextPassword', () => (method = 'password'));
      connection.once('authenticationMD5Password', () => (method = 'md5'));
      connection.once('authenticationSASL', (message: { mechanisms?: readonly string[] }) => {
        method = 'scram-sha-256';
        mechanisms = message.mechanisms ?? [];
      });
    },
    password() {
      try {
        checkMethod();
        if (source.password === undefined) throw fail('source_password_missing', { member, reference: null });
        return Promise.resolve(source.password);
      } catch (error) {
        return Promise.reject(error instanceof Error ? error : new Error(String(error)));
      }
    },
    check: checkMethod,
  };
}

/** `md5,scram-sha-256` names what is allowed; `!password` what is not. */
function isAllowed(method: Method, asked: string): boolean {
  const names = asked.split(',').filter((name) => name !== '');
  const forbidden = names.filter((name) => name.startsWith('!')).map((name) => name.slice(1));
  return forbidden.length > 0 ? !forbidden.includes(method) : names.includes(method);
}
