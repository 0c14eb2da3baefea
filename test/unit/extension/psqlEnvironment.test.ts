import assert from 'node:assert/strict';
import { psqlArguments, psqlEnvironment } from '../../../src/commands/psqlEnvironment.ts';
import { fakeConnection } from '../cli/fakeEngine.ts';

describe('the environment of a psql in a terminal', () => {
  it('names this login alone, whatever libpq would find in the environment of VS Code', () => {
    const inherited = {
      PATH: '/usr/bin',
      HOME: '/home/anna',
      LANG: undefined,
      PGHOST: 'production.example.org',
      PGSERVICE: 'production',
      PGSSLROOTCERT: '/etc/ca.pem',
      PGSSLMODE: 'verify-full',
      PGREQUIREAUTH: 'gss',
      PGPASSFILE: '/home/anna/.pgpass',
      pgoptions: '-c role=reader',
      VSCODE_IPC_HOOK_CLI: '/tmp/x.sock',
      ELECTRON_RUN_AS_NODE: '1',
    };
    const connection = fakeConnection();
    assert.deepEqual(psqlEnvironment(inherited, connection), {
      PATH: '/usr/bin',
      HOME: '/home/anna',
      PGHOST: '127.0.0.1',
      PGPORT: '54321',
      PGUSER: 'clone',
      PGDATABASE: 'shop',
      PGPASSWORD: connection.password,
      PGAPPNAME: 'psql (Thin Clones)',
    });
  });
});

describe('the prompt of a psql in a terminal', () => {
  it('begins with the name of the clone, whatever that holds', () => {
    assert.deepEqual(psqlArguments('feature/a'), [
      '--set=PROMPT1=feature/a %/%R%x%# ',
      '--set=PROMPT2=feature/a %/%R%x%# ',
    ]);
    assert.equal(psqlArguments('50%`id`')[0], '--set=PROMPT1=50%%`id` %/%R%x%# ');
  });
});
