import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseConfig } from '../../engine/config/configFile.ts';
import { bootstrapScript } from '../../engine/link/deploy/bootstrap.ts';
import { sshArguments } from '../../engine/link/ssh/sshLink.ts';
import { fail, isFailure } from '../../engine/protocol/errors.ts';
import { datasetNameSchema, farPathSchema } from '../../engine/protocol/farPlaces.ts';
import { hostNameSchema } from '../../engine/protocol/ids.ts';
import { isMemberName } from '../../engine/protocol/names.ts';
import { readDiscovery } from '../../engine/protocol/node/discovery.ts';
import { formatSshAddress, parseSshAddress } from '../../engine/protocol/sshAddress.ts';
import { fileOfHost } from '../../engine/hub/fileOfHost.ts';
import { proposedName, readAddress, readPlace } from '../../src/hosts/addresses.ts';
import { attemptPage, noSteps } from '../../src/hosts/steps.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { start as startCommand } from '../unit/cli/commandLine.ts';
import { startFakeEngine, type FakeEngine } from '../unit/cli/fakeEngine.ts';
import { hostTexts } from './hostTexts.ts';
import { send, type Address } from './rawHttp.ts';

/** What moves a cursor, ends a line or turns the writing. */
const steering = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;
const isShown = (text: string, what: string): void => {
  for (const line of text.split('\n'))
    assert.doesNotMatch(line, steering, `${what}: ${JSON.stringify(text)}`);
};
/** "Something is so." */
const isSentence = (text: string, what: string): void => {
  isShown(text, what);
  assert.match(text, /^\S.*[.!?]$/su, what);
};

/** Where in an address a text may stand. */
const placed = (text: string): string[] => [
  text,
  `ssh://${text}`,
  `${text}@big`,
  `me@${text}`,
  `ssh://me@big:${text}`,
  `ssh://me@[${text}]`,
];

/** All ways in which an address can be typed that leads to this. */
function isTyped(text: string, to: { user?: string; host: string; port?: string }): boolean {
  const typed = text.replace(/^ssh:\/\//i, '').replace(/\/$/, '');
  const user = to.user === undefined ? '' : `${to.user}@`;
  const port = to.port === undefined ? [''] : [`:${to.port}`, `:0${to.port}`, `:00${to.port}`];
  return port.some((each) => [`${user}${to.host}${each}`, `${user}[${to.host}]${each}`].includes(typed));
}

const settings = sshArguments({ address: { host: 'big' } }, false, 1).slice(0, -3);
/** What ssh was started for; throws where anything else than user, host and port differs from what is usual. */
function readArguments(argv: readonly string[]): { user?: string; host: string; port?: string } {
  assert.deepEqual(argv.slice(0, settings.length), settings);
  const rest = argv.slice(settings.length);
  const user = rest[0] === '-l' ? rest.splice(0, 2)[1] : undefined;
  const port = rest[0] === '-p' ? rest.splice(0, 2)[1] : undefined;
  const [end, host = '', command = '', ...more] = rest;
  assert.deepEqual([end, more], ['--', []]);
  assert.match(command, /^exec sh -c 'eval "\$\(dd bs=1 count=\d+ 2>\/dev\/null\)"'$/);
  assert.doesNotMatch(host, /^-/);
  assert.match(port ?? '22', /^[1-9]\d{0,4}$/);
  return { host, ...(user !== undefined && { user }), ...(port !== undefined && { port }) };
}

describe('hostile texts in every field of a host', function () {
  this.timeout(300_000);
  let folder: string;
  let texts: string[];
  const sentinel = () => join(folder, 'sentinel');
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-hostile-'));
    texts = hostTexts(sentinel());
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('are more than 300, each another one', () => {
    assert.equal(new Set(texts).size, texts.length);
    assert.ok(texts.length >= 300, `${texts.length} texts`);
  });

  describe('of a request to a real engine', () => {
    let engine: TestEngine;
    let address: Address;
    let authorization: string;
    const at = (name: string) => join(folder, name);
    before(async () => {
      for (const name of ['argv', 'user', 'temporary']) await mkdir(at(name));
      await writeFile(
        at('ssh'),
        `#!/bin/sh\nprintf '%s\\0' "$@" > '${at('argv')}'/$$\necho 'ssh: Could not resolve hostname x' >&2\nexit 255\n`,
      );
      await chmod(at('ssh'), 0o755);
      engine = await makeTestEngine({
        variables: {
          ...{ THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_SSH: at('ssh') },
          ...{ HOME: at('user'), TMPDIR: at('temporary') },
        },
      });
      await (await engine.client()).call('overview', {});
      const found = await readDiscovery(engine.paths.discovery);
      assert.ok(found);
      address = { socketPath: found.socket };
      authorization = `Bearer ${found.token}`;
    });
    after(() => (engine as TestEngine | undefined)?.dispose());

    const refusals = ['invalid_request', 'host_address', 'name_taken', 'host_name_clash'];
    /** Whether it was taken as data; what is refused says why. */
    async function add(body: object): Promise<boolean> {
      const what = JSON.stringify(body);
      const headers = { host: 'localhost', authorization, 'content-type': 'application/json' };
      const answer = await send(address, { method: 'POST', path: '/v1/hosts', headers, body: what });
      const { error } = JSON.parse(answer.text) as { error: { code: string; message: string; next: string } };
      isSentence(error.message, `${what}: ${error.code}`);
      isSentence(error.next, `${what}: ${error.code}`);
      if (refusals.includes(error.code)) return false;
      // It went as far as to ssh, which reaches nobody.
      assert.equal(error.code, 'host_dns', `${what}: ${answer.text}`);
      return true;
    }

    it('are refused with a clear sentence, or are data to ssh, and leave nothing behind', async () => {
      const taken: string[] = [];
      let [number, others] = [0, 0];
      const another = () => `h${++others}`;
      // Made when the first host is joined: files named after hosts are looked for there.
      await mkdir(engine.paths.hostsFolder, { recursive: true });
      for (const text of texts) {
        const address = 'ssh://plain';
        // Each place in an address in turn.
        const typed = placed(text)[number++ % 6] ?? text;
        const [isTaken] = await Promise.all([
          add({ name: another(), address: typed }),
          add({ name: text, address }),
          add({ name: another(), address, path: text }),
          add({ name: another(), address, dataset: text }),
        ]);
        if (isTaken) taken.push(typed);
      }
      const led = new Map<string, ReturnType<typeof readArguments>>();
      for (const name of await readdir(at('argv'))) {
        const argv = (await readFile(join(at('argv'), name), 'utf8')).split('\0').slice(0, -1);
        led.set(JSON.stringify(argv.slice(settings.length, -1)), readArguments(argv));
      }
      assert.ok(
        taken.length > 20 && led.size > 20,
        `${taken.length} addresses are some, ${led.size} are asked for`,
      );
      const all = [...taken, 'ssh://plain'];
      for (const to of led.values())
        assert.ok(
          all.some((each) => isTyped(each, to)),
          `nobody typed ${JSON.stringify(to)}`,
        );
      for (const each of taken)
        assert.ok(
          [...led.values()].some((to) => isTyped(each, to)),
          `${each} is led elsewhere`,
        );
      assert.deepEqual((await readdir(folder)).sort(), ['argv', 'ssh', 'temporary', 'user']);
      for (const name of ['temporary', 'user']) assert.deepEqual(await readdir(at(name)), [], name);
      const { items } = await (await engine.client()).call('hostList', {});
      assert.deepEqual(
        items.map(({ name }) => name as string),
        ['local'],
      );
      assert.deepEqual(await readdir(engine.paths.hostsFolder), []);
      for (const line of (await engine.log()).trim().split('\n')) JSON.parse(line);
    });
  });

  it('name no file of the home but one of their own', () => {
    const names = texts.filter((text) => hostNameSchema.safeParse(text).success && isMemberName(text));
    const files = names.map((name) => fileOfHost(hostNameSchema.parse(name)));
    for (const file of files) assert.match(file, /^[0-9a-z-]{1,200}\.json$/);
    assert.equal(new Set(files).size, names.length);
    assert.ok(names.length > 50 && !files.includes('doors.json'), `${names.length} names`);
  });

  it('are variables of the engine there to the letter, whatever its shell is told', async () => {
    const build = join(folder, 'there/engine/builds/1_b');
    await mkdir(build, { recursive: true });
    await writeFile(join(build, 'complete'), '');
    await writeFile(join(build, '../newest'), '1_b');
    await writeFile(join(build, 'node'), '#!/bin/sh\nexec env -0\n', { mode: 0o755 });
    const values = texts.filter((text) => text.isWellFormed() && !text.includes('\0'));
    const variables = Object.fromEntries(values.map((text, index) => [`PLACE_${index}`, text]));
    await writeFile(join(folder, 'script'), bootstrapScript({ wanted: '1_b', run: [], variables }));
    const { stdout } = await promisify(execFile)('sh', [join(folder, 'script')], {
      env: { PATH: process.env['PATH'], THIN_CLONES_HOME: join(folder, 'there') },
      maxBuffer: 1 << 24,
    });
    const heard = new Map(
      stdout
        .slice('started\n'.length)
        .split('\0')
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );
    for (const [name, value] of Object.entries(variables)) assert.equal(heard.get(name), value);
    await rm(join(folder, 'there'), { recursive: true });
    await rm(join(folder, 'script'));
    assert.equal((await readdir(folder)).includes('sentinel'), false);
  });

  describe('of the command line', () => {
    let engine: FakeEngine;
    beforeEach(async () => {
      engine = await startFakeEngine({
        hostAdd({ body }) {
          parseSshAddress(body.address as string);
          throw fail('host_dns', { host: body.name as string, name: 'x' });
        },
      });
    });
    afterEach(() => engine.close());

    const fields: readonly [string, (text: string) => string[]][] = [
      ['name', (text) => [text, 'ssh://big']],
      ['address', (text) => ['big', text]],
      ['path', (text) => ['big', 'ssh://big', `--path=${text}`]],
      ['dataset', (text) => ['big', 'ssh://big', '--dataset', text]],
    ];
    for (const [field, argumentsOf] of fields)
      it(`are refused with a clear sentence as ${field}, or are it to the letter`, async () => {
        for (const text of texts.filter((each) => each !== '--help' && !each.includes('\0'))) {
          const before = engine.calls.length;
          const typed = ['host', 'add', ...argumentsOf(text)];
          const { code, stdout, stderr } = await startCommand(typed, { engine, terminal: true }).ended;
          assert.ok(code !== 0 && stdout === '', `${JSON.stringify(text)}: ${code} ${stdout}`);
          isShown(stderr, JSON.stringify(text));
          assert.match(stderr, /^error: \S/m);
          for (const { route, body } of engine.calls.slice(before))
            if (route === 'hostAdd') assert.equal(body[field], text);
        }
      });
  });

  it('of thin-clones.yaml are refused with their line, or are what the file says', () => {
    let [taken, refused] = [0, 0];
    const write = (name: string, of: object) =>
      `version: 1\nhosts:\n  ${JSON.stringify(name)}: ${JSON.stringify(of)}\nworkspace: { environment: shop }\n`;
    const address = 'ssh://big';
    for (const text of texts)
      for (const [name, of] of [
        [text, { address }],
        ['big', { address: text }],
        ['big', { address, path: text }],
        ['big', { address, dataset: text }],
        ...placed(text).map((each) => ['big', { address: each }] as const),
      ] as const) {
        const what = JSON.stringify([name, of]);
        try {
          const { hosts } = parseConfig({
            text: write(name, of),
            name: 'thin-clones.yaml',
            directory: '/repository',
          });
          assert.deepEqual([...hosts], [[name, of]]);
          taken += 1;
        } catch (error) {
          assert.ok(isFailure(error, 'invalid_file'), `${what}: ${String(error)}`);
          isShown(error.message, what);
          assert.match(error.message, /^thin-clones\.yaml:3:\d+: \S/m, what);
          refused += 1;
        }
      }
    assert.ok(taken > 100 && refused > 1500, `${taken} taken, ${refused} refused`);
  });

  it('that are typed or chosen in VS Code are refused with a clear sentence, or are what the engine is asked for', () => {
    for (const text of texts) {
      const what = JSON.stringify(text);
      for (const typed of placed(text)) {
        const read = readAddress(typed);
        if (read.ok) assert.equal(read.address, formatSshAddress(parseSshAddress(typed.trim())), what);
        else for (const each of [read.problem, read.next]) isSentence(each, what);
      }
      const place = readPlace(text);
      if ('problem' in place) isSentence(place.problem, what);
      else assert.ok([place.path ?? place.dataset ?? ''].includes(text.trim()), what);
      if ('path' in place) assert.ok(farPathSchema.safeParse(place.path).success);
      if ('dataset' in place) assert.ok(datasetNameSchema.safeParse(place.dataset).success);
      const name = proposedName(text, new Set(['local']));
      assert.ok(
        hostNameSchema.safeParse(name).success && isMemberName(name) && name !== 'local',
        `${what}: ${name}`,
      );
      // What a host says of itself, or an address that was typed, in a page of VS Code.
      const error = fail('host_shell', { host: 'big', problem: text });
      const page = attemptPage(text, 'ssh://big', noSteps, error.document);
      assert.doesNotMatch(page, /(?<!\\)\]\(|(?<!\\)<|(?<![\\\w])\$\(/, what);
    }
  });

  it('put together by chance become no option, and are read as they are written', () => {
    let state = 20_261;
    const chance = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * below);
    };
    const short = [
      ...texts.filter((text) => text.length < 40),
      'a',
      'b',
      '@',
      ':',
      '[',
      ']',
      '::',
      '.',
      '%',
      '\\',
      'ssh://',
    ];
    let read = 0;
    for (let round = 0; round < 30_000; round++) {
      const text = Array.from({ length: 1 + chance(5) }, () => short[chance(short.length)] ?? '').join('');
      let address;
      try {
        address = parseSshAddress(text);
      } catch (error) {
        assert.ok(isFailure(error, 'host_address'), `${JSON.stringify(text)}: ${String(error)}`);
        isSentence(error.message, JSON.stringify(text));
        continue;
      }
      read += 1;
      const to = readArguments(sshArguments({ address }, false, 100));
      assert.ok(isTyped(text, to), `${JSON.stringify(text)} became ${JSON.stringify(to)}`);
      assert.deepEqual(parseSshAddress(formatSshAddress(address)), address, text);
    }
    assert.ok(read > 100, `${read} are addresses`);
  });
});
