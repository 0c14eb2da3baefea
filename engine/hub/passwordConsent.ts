/** Sends no password of a source to a host for which nobody agreed to that, whoever asks. */
import { readConnectionUrl } from '../protocol/connectionUrl/connectionUrl.ts';
import type { RouteInput } from '../protocol/client.ts';
import { fail } from '../protocol/errors.ts';
import type { RouteName } from '../protocol/routes.ts';
import type { RemoteHost } from './remoteHost.ts';
import type { Asked } from './router.ts';

/** Errors: `password_consent`. */
export function refusePasswords(host: RemoteHost, name: RouteName, { body }: Asked): void {
  if (host.known.takesPasswords === true || !hasPasswords(name, body)) return;
  throw fail('password_consent', { host: host.known.name, address: host.view().host.address });
}

function hasPasswords(name: RouteName, body: Asked['body']): boolean {
  switch (name) {
    case 'environmentApply': {
      const { definition, passwords } = body as unknown as RouteInput<'environmentApply'>['body'];
      return (
        isAny(passwords) ||
        Object.values(definition.members).some(({ url }) => url !== undefined && isInUrl(url))
      );
    }
    case 'environmentRefresh':
      return isAny((body as { passwords?: object }).passwords);
    case 'sourceTest': {
      const { member, password } = body as unknown as RouteInput<'sourceTest'>['body'];
      return password !== undefined || (member.url !== undefined && isInUrl(member.url));
    }
    default:
      return false;
  }
}

const isAny = (passwords: object = {}): boolean => Object.keys(passwords).length > 0;

/** It belongs nowhere there; the engine that reads the source would be the one to say so. */
function isInUrl(url: string): boolean {
  const read = readConnectionUrl(url);
  return read.ok && read.value.password !== undefined;
}
