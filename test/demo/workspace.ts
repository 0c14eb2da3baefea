/** The demo's Git workspace: two branches, a migration that ruins the data, a file that declares the environment. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BAD_MIGRATION } from './data.ts';

const run = promisify(execFile);

export const FEATURE_BRANCH = 'feature/loyalty-points';
export const ENVIRONMENT = 'shop';
export const MIGRATION = join('migrations', '002_loyalty_points.sql');
export const CONFIG_FILE = 'thin-clones.yaml';

const FIRST_MIGRATION = `-- The shop as it is in production; the demo source is filled already.
CREATE TABLE IF NOT EXISTS customers (id integer PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE);
`;

const README = `# The shop

A small workspace to try Thin Clones with. Its database, the *source*, has 120,000 customers, 400,000 orders and
a million order items. You never work on it: you work on clones.

1. Open **Thin Clones** in the activity bar. The environment \`shop\` has one snapshot; this checkout follows its branches,
   so \`main\` has a clone already: a writable copy of everything, made in about a tenth of a second. The status bar
   names it.
2. Open a new terminal. \`DATABASE_URL\`, \`PGHOST\` and their like are set and lead to the clone of whichever branch is
   checked out; they never change. Choose **Open psql** on the clone and look around: \`SELECT * FROM revenue_per_month;\`
3. Type \`git switch ${FEATURE_BRANCH}\`. A moment later the same address leads to a database of that branch's own.
4. Run the branch's migration in a psql of that clone: \`\\i ${MIGRATION}\` — it ends without an error, and ruins the
   orders. \`SELECT * FROM revenue_per_month;\` shows zeros since June, and \`order_items\` is gone.
5. Type \`git switch main\`: main's database is as it was. Switch again, and the ruined one is back.
6. Click **Reset** on the branch's clone. Everything is there again, on the same port with the same password.
7. **Destroy** the clones when you are done. The snapshot and the source have not noticed anything.

The same without VS Code, in the checkout of Thin Clones: \`npx thin-clones --help\`
(set \`THIN_CLONES_HOME\` to the folder \`../home\` beside this workspace).
`;

export interface WorkspaceOptions {
  readonly folder: string;
  /** The whole entry of one member, as YAML lines without indentation. */
  readonly member: readonly string[];
  readonly signal: AbortSignal;
}

export function memberLines(source: {
  readonly url: string;
  readonly dataDirectory: string;
  readonly logical: boolean;
}): readonly string[] {
  if (!source.logical) {
    return ['engine: postgres', 'retrieval: directory', `directory: ${JSON.stringify(source.dataDirectory)}`];
  }
  return [
    'engine: postgres',
    'retrieval: logical',
    `url: ${source.url}`,
    'password: { file: ../source-password }',
  ];
}

/** Makes it once; afterwards only the file that says where the source is follows the source. */
export async function makeWorkspace({ folder, member, signal }: WorkspaceOptions): Promise<void> {
  const config = [
    'version: 1',
    'environments:',
    `  ${ENVIRONMENT}:`,
    '    members:',
    '      main:',
    ...member.map((line) => `        ${line}`),
    '    clones: { limit: 20 }',
    'workspace:',
    `  environment: ${ENVIRONMENT}`,
    '  follow: automatic',
    '  variables:',
    '    DATABASE_URL: "{main.url}"',
    '    PGHOST: "{main.host}"',
    '    PGPORT: "{main.port}"',
    '    PGUSER: "{main.user}"',
    '    PGPASSWORD: "{main.password}"',
    '    PGDATABASE: "{main.database}"',
    '',
  ].join('\n');
  const git = async (...args: readonly string[]): Promise<void> => {
    const identity = [
      '-c',
      'user.name=Demo',
      '-c',
      'user.email=demo@localhost',
      '-c',
      'commit.gpgsign=false',
    ];
    // The folder may belong to another user than the one who runs this (root in somebody's checkout).
    await run('git', ['-C', folder, '-c', 'safe.directory=*', ...identity, ...args], { signal });
  };
  const file = join(folder, CONFIG_FILE);
  if (existsSync(join(folder, '.git', 'refs', 'heads', FEATURE_BRANCH)) && existsSync(file)) {
    if ((await readFile(file, 'utf8')) !== config) await writeFile(file, config);
    return;
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'migrations'), { recursive: true });
  await writeFile(file, config);
  await writeFile(join(folder, 'README.md'), README);
  await writeFile(join(folder, 'migrations', '001_shop.sql'), FIRST_MIGRATION);
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-q', '-m', 'The shop');
  await git('switch', '-q', '-c', FEATURE_BRANCH);
  await writeFile(join(folder, MIGRATION), BAD_MIGRATION);
  await git('add', '.');
  await git('commit', '-q', '-m', 'Count loyalty points');
  await git('switch', '-q', 'main');
}
