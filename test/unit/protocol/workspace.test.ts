import assert from 'node:assert/strict';
import { workspaceSchema } from '../../../engine/protocol/workspace.ts';

const accepts = (section: object): boolean => workspaceSchema.safeParse(section).success;

describe('the workspace section', () => {
  it('sets no variable that decides which programs run', () => {
    for (const name of [
      'PATH',
      'Path',
      'LD_PRELOAD',
      'NODE_OPTIONS',
      'BASH_ENV',
      'GIT_SSH_COMMAND',
      'PGSERVICEFILE',
      'HOME',
      'LESSOPEN',
      'SSH_ASKPASS',
      'DOTNET_STARTUP_HOOKS',
    ])
      assert.equal(accepts({ variables: { [name]: 'x' } }), false, name);
    for (const name of ['DATABASE_URL', 'PGHOST', 'PGPASSWORD', 'SHOP_PATH', 'env_name', 'NODE_ENV'])
      assert.equal(accepts({ variables: { [name]: 'x' } }), true, name);
  });

  it('names a file for variables inside the checkout, and none that is something else', () => {
    for (const file of ['.env', '.env.local', 'apps/web/.env', 'local.env'])
      assert.equal(accepts({ envFile: file }), true, file);
    for (const file of [
      '/etc/.env',
      '../.env',
      'a/../../.env',
      '~/.env',
      'package.json',
      '.git/config',
      '.env/x',
      'C:\\.env',
    ])
      assert.equal(accepts({ envFile: file }), false, file);
  });

  it('takes patterns of branches, and nothing that no branch can be called', () => {
    assert.ok(
      accepts({
        branches: { shared: ['main', 'release/*'], never: ['bot/**'], from: { 'feature/*': 'current' } },
      }),
    );
    for (const pattern of ['', 'a b', 'a~1', 'a:b', '[a]', 'a\\b'])
      assert.equal(accepts({ branches: { shared: [pattern] } }), false, pattern);
    assert.equal(accepts({ branches: { cleanUpAfter: 'soon' } }), false);
  });

  it('lets open transactions take one to sixty seconds', () => {
    for (const drainFor of ['1s', '9s', '10s', '59s', '60s'])
      assert.ok(accepts({ endpoint: { onSwitch: 'drain', drainFor } }), drainFor);
    for (const drainFor of ['0s', '61s', '05s', '1m', '5', '1.5s', 5])
      assert.equal(accepts({ endpoint: { onSwitch: 'drain', drainFor } }), false, String(drainFor));
    assert.equal(accepts({ endpoint: { onSwitch: 'wait' } }), false);
  });
});
