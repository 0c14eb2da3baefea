/** Another host in the tree of a scripted engine. */
import type { Host } from '../../../engine/protocol/entities.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { fakeClone, fakeEnvironment } from '../../unit/cli/fakeEngine.ts';
import { ago, fakeHost, newId, type ScriptedEngine } from '../../support/fakeEngine/scriptedEngine.ts';

export const farHost = (changes: object = {}): Host =>
  fakeHost({ name: 'big', kind: 'ssh', address: 'ssh://me@big', roundTripMs: 31.2, ...changes });

/** The environment big/sales with the clone far. */
export function furnishFarHost(engine: ScriptedEngine): void {
  const host = hostNameSchema.parse('big');
  const definition = { ...fakeEnvironment().definition, host };
  engine.put({ kind: 'environment', entity: fakeEnvironment({ name: 'big/sales', definition }) });
  const clone = { name: 'far', environment: 'big/sales', createdAt: ago(5) };
  engine.put({ kind: 'clone', entity: fakeClone({ id: newId('clone'), ...clone }) });
}

/** With all that it holds. */
export function forgetHost(engine: ScriptedEngine, name: string): void {
  const { overview } = engine.fake;
  const isThere = (environment: string): boolean => environment.startsWith(`${name}/`);
  overview.hosts = overview.hosts.filter((host) => host.name !== hostNameSchema.parse(name));
  overview.environments = overview.environments.filter((each) => !isThere(each.name));
  overview.clones = overview.clones.filter((each) => !isThere(each.environment));
  engine.put({ kind: 'resync' });
}
