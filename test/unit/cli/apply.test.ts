import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from '../../../engine/cli/exitCode.ts';
import type { SourceReport } from '../../../engine/protocol/entities.ts';
import { fail, type ThinClonesError } from '../../../engine/protocol/errors.ts';
import { errorOf, type } from './commandLine.ts';
import { fakeEnvironment, startFakeEngine, type FakeEngine } from './fakeEngine.ts';

describe('env apply', () => {
  let folder: string;
  let engine: FakeEngine;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-apply-'));
    engine = await startFakeEngine();
    engine.script.sourceTest = () => report();
    engine.script.environmentApply = ({ params, body }) => {
      const environment = fakeEnvironment({ name: params.name, definition: body.definition });
      const known = engine.overview.environments.some(({ name }) => name === params.name);
      if (!known) engine.overview.environments.push(environment);
      return { environment, outcome: known ? 'unchanged' : 'created' };
    };
  });
  afterEach(async () => {
    await engine.close();
    await rm(folder, { recursive: true });
  });

  const report = (error?: ThinClonesError): SourceReport => ({
    ok: error === undefined,
    error: error?.document ?? null,
    serverVersion: '18.4',
    databases: [],
    tables: [],
    warnings: [],
  });
  const write = (...members: string[]) =>
    writeFile(
      join(folder, 'thin-clones.yaml'),
      [
        'version: 1',
        'environments:',
        '  shop:',
        '    members:',
        ...members.map((line) => `      ${line}`),
      ].join('\n'),
    );
  const source = (more = '') =>
    `orders: { engine: postgres, retrieval: logical, url: "postgresql://reader@db/shop"${more} }`;
  const callsOf = (route: string) => engine.calls.filter((call) => call.route === route);
  const apply = (...options: string[]) => ['env', 'apply', ...options];
  const withoutPassword = fail('source_password_missing', { member: 'orders', reference: null });

  it('declares what the file in this folder says, and says "unchanged" the second time', async () => {
    await write('orders: { engine: postgres, retrieval: dump, dump: shop.sql }');
    const first = await type(apply(), { engine, cwd: folder });
    assert.deepEqual(first, { code: 0, stdout: 'shop: created\n', stderr: '' });
    assert.deepEqual(callsOf('environmentApply')[0]?.body, {
      definition: {
        host: 'local',
        members: { orders: { engine: 'postgres', retrieval: 'dump', dump: join(folder, 'shop.sql') } },
        clones: {},
      },
      passwords: {},
    });
    const second = await type(apply('--json'), { engine, cwd: folder });
    assert.equal(second.code, 0);
    const { items } = JSON.parse(second.stdout) as {
      items: { environment: { name: string }; outcome: string }[];
    };
    assert.deepEqual(
      items.map(({ environment, outcome }) => [environment.name, outcome]),
      [['shop', 'unchanged']],
    );
    assert.equal(callsOf('sourceTest').length, 1);
  });
  it('ends with 2 and the problems for a file that is wrong, before any engine is asked', async () => {
    await write('orders: { engine: postgres, retrieval: dupm }');
    const ended = await type(apply('--json'), { engine, cwd: folder });
    assert.equal(ended.code, exitCodes.usage);
    assert.deepEqual(errorOf(ended).details.problems, [
      'thin-clones.yaml:5:46: expected logical, physical, dump or directory, found "dupm"; did you mean "dump"?',
    ]);
    assert.deepEqual(engine.calls, []);
  });
  it('ends with 2 for a file that is not there, and says how to name one', async () => {
    const ended = await type(apply('-f', 'nothere.yaml'), { engine, cwd: folder });
    assert.equal(ended.code, exitCodes.usage);
    const path = join(folder, 'nothere.yaml');
    assert.equal(ended.stderr, `error: There is no file ${path}.\nName it with -f FILE.\n`);
  });
  it('ends with 3 for what is not supported yet', async () => {
    await write('orders: { engine: postgres, retrieval: physical, url: postgresql://reader@db/shop }');
    const ended = await type(apply('--json'), { engine, cwd: folder });
    assert.equal(ended.code, exitCodes.refused);
    assert.equal(errorOf(ended).code, 'not_supported');
  });
  it('does not save a source that can not be used, and says which', async () => {
    await write(source());
    engine.script.sourceTest = () => report(fail('source_dns', { host: 'db' }));
    const ended = await type(apply('--json'), { engine, cwd: folder });
    assert.equal(ended.code, exitCodes.failed);
    assert.equal(errorOf(ended).code, 'source_dns');
    assert.match(errorOf(ended).message, /^shop\/orders: The host name "db"/);
    assert.deepEqual(callsOf('environmentApply'), []);
    assert.equal((await type(apply('--no-test'), { engine, cwd: folder })).code, 0);
  });
  it('tries the source with the password that is referred to, and does not have it remembered', async () => {
    await write(source(', password: { env: SHOP_PASSWORD }'));
    await type(apply(), { engine, cwd: folder, variables: { SHOP_PASSWORD: 's3cret' } });
    assert.equal(callsOf('sourceTest')[0]?.body.password, 's3cret');
    const { passwords, remember } = callsOf('environmentApply')[0]?.body ?? {};
    assert.deepEqual([passwords, remember], [{ orders: 's3cret' }, undefined]);
  });
  it('takes a password from stdin before the empty place that the file names, and does not have it remembered', async () => {
    await write(source(', password: { env: UNSET_PASSWORD }'));
    engine.script.sourceTest = ({ body }) => report(body.password === 's3cret' ? undefined : withoutPassword);
    const refused = await type(apply('--json'), { engine, cwd: folder });
    assert.equal(errorOf(refused).code, 'source_password_missing');
    assert.deepEqual(
      [errorOf(refused).details.environment, errorOf(refused).details.member],
      ['shop', 'orders'],
    );
    const stdin = JSON.stringify({ shop: { orders: 's3cret' }, other: { orders: 'x' } });
    const ended = await type(apply('--passwords-stdin'), { engine, cwd: folder, stdin });
    assert.deepEqual(ended, { code: 0, stdout: 'shop: created\n', stderr: '' });
    const { passwords, remember } = callsOf('environmentApply')[0]?.body ?? {};
    assert.deepEqual([passwords, remember], [{ orders: 's3cret' }, undefined]);
  });
  it('says what stdin should hold without a word of what it held', async () => {
    await write(source());
    for (const stdin of ['s3cret', '{"shop": "s3cret"}', '']) {
      const ended = await type(apply('--passwords-stdin', '--json'), { engine, cwd: folder, stdin });
      assert.equal(ended.code, exitCodes.usage);
      assert.match(errorOf(ended).next, /\{"ENVIRONMENT": \{"MEMBER": "PASSWORD"\}\}/);
      assert.ok(!`${ended.stdout}${ended.stderr}`.includes('s3cret'));
    }
  });
  it('reads a password from a file beside it, without the line end', async () => {
    await write(source(', password: { file: secret }'));
    await writeFile(join(folder, 'secret'), ' s3 cret \r\n');
    await type(apply(), { engine, cwd: folder });
    assert.equal(callsOf('sourceTest')[0]?.body.password, ' s3 cret ');
  });
  it('asks for a password that the source wants, without echo, and has it remembered', async () => {
    await write(source());
    engine.script.sourceTest = ({ body }) => report(body.password === 's3cret' ? undefined : withoutPassword);
    const ended = await type(apply(), { engine, cwd: folder, terminal: true, answers: ['s3cret'] });
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /Password of shop\/orders \(postgresql:\/\/reader@db\/shop\): /);
    assert.ok(!ended.stderr.includes('s3cret'));
    const { passwords, remember } = callsOf('environmentApply')[0]?.body ?? {};
    assert.deepEqual([passwords, remember], [{ orders: 's3cret' }, true]);
  });
  it('says that a password is missing when nobody can be asked', async () => {
    await write(source());
    engine.script.sourceTest = () => report(withoutPassword);
    const ended = await type(apply('--json'), { engine, cwd: folder });
    assert.equal(ended.code, exitCodes.failed);
    assert.equal(errorOf(ended).code, 'source_password_missing');
    assert.match(errorOf(ended).next, /password: \{ env: NAME \}/);
  });
  it('names what was done before the environment that failed', async () => {
    await writeFile(
      join(folder, 'two.yaml'),
      `version: 1
environments:
  first: { members: { a: { engine: postgres, retrieval: dump, dump: a.sql } } }
  second: { members: { b: { engine: postgres, retrieval: dump, dump: b.sql } } }
`,
    );
    engine.script.sourceTest = ({ body }) =>
      report(
        JSON.stringify(body).includes('b.sql')
          ? fail('dump_unreadable', { file: 'b.sql', problem: 'it is not there' })
          : undefined,
      );
    const ended = await type(apply('-f', 'two.yaml', '--json'), { engine, cwd: folder });
    assert.equal(ended.code, exitCodes.failed);
    assert.deepEqual(errorOf(ended).details.applied, [{ environment: 'first', outcome: 'created' }]);
    assert.equal(ended.stderr, 'first: created\n');
  });
});
