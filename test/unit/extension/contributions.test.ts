import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { buildServerSpec } from '../../../engine/database/postgres/serverSpec.ts';
import { datasetIdSchema } from '../../../engine/protocol/ids.ts';
import { engineArguments } from '../../../engine/protocol/node/launch.ts';
import { commandIds } from '../../../src/commands/commandIds.ts';

interface Manifest {
  activationEvents: string[];
  capabilities: { untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] } };
  icon: string;
  contributes: {
    commands: { command: string; title: string; category: string; icon: string }[];
    menus: Record<string, { command: string; when: string; group?: string }[]>;
    keybindings: { command: string; when: string }[];
    viewsWelcome: { contents: string; when: string }[];
    views: Record<string, { id: string; icon: string }[]>;
    viewsContainers: { activitybar: { icon: string }[] };
    configuration: { properties: Record<string, { type: string; scope?: string }> };
    configurationDefaults: { 'remote.portsAttributes': Record<string, { onAutoForward: string }> };
    walkthroughs: { steps: { description: string; media: { svg: string }; completionEvents: string[] }[] }[];
    jsonValidation: { url: string }[];
  };
}
const root = new URL('../../../', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as Manifest;
const { contributes } = manifest;
const known = new Set<string>(commandIds);
const commandLinks = (text: string): string[] =>
  [...text.matchAll(/\(command:([\w.]+)/g)]
    .map(([, command]) => command ?? '')
    .filter((id) => id.startsWith('thinClones'));

describe('what package.json contributes', () => {
  it('has exactly the commands of the table, each with a title, our category and an icon', () => {
    assert.deepEqual(contributes.commands.map(({ command }) => command).sort(), [...commandIds].sort());
    for (const command of contributes.commands) {
      assert.equal(command.category, 'Thin Clones');
      assert.match(command.icon, /^\$\([a-z-]+\)$/);
      assert.ok(command.title.length > 3);
    }
  });

  it('names only commands that exist in menus, keys, welcome texts and the walkthrough', () => {
    const named = [...Object.values(contributes.menus).flat(), ...contributes.keybindings].map(
      ({ command }) => command,
    );
    const linked = [
      ...contributes.viewsWelcome.map(({ contents }) => contents),
      ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ description }) => description)),
    ].flatMap(commandLinks);
    for (const command of [...named, ...linked]) assert.ok(known.has(command), command);
  });

  it('has at most three inline actions on any row', () => {
    const rows = [
      'clone.ready',
      'clone.ready.protected.bound',
      'clone.stopped',
      'clone.failed',
      'clone.resetting.busy.cancellable',
      'clone.creating.busy',
      'snapshot.ready.used',
      'environment.idle.filled',
      'environment.idle.empty',
      'environment.idle.filled.failed',
      'environment.busy.filled.cancellable',
      'clones',
      'snapshots',
      'note.noSnapshot',
      'host.ready',
      'host.ready.full',
      'host.unreachable',
      'host.ready.remote',
      'host.unreachable.remote',
      'host.needs-login.remote',
      'environment.away',
      'clone.away',
    ];
    const inline = (contributes.menus['view/item/context'] ?? []).filter(({ group }) =>
      group?.startsWith('inline'),
    );
    const actions = (row: string): string[] =>
      inline
        .filter(({ when }) => new RegExp(/viewItem =~ \/(.*)\/$/.exec(when)?.[1] ?? '$^').test(row))
        .map(({ command }) => command.replace('thinClones.', ''));
    for (const row of rows) assert.ok(actions(row).length <= 3, `${row}: ${actions(row).join(', ')}`);
    assert.deepEqual(actions('clone.ready'), ['clone.reset', 'clone.copyUrl', 'clone.openPsql']);
    assert.deepEqual(actions('clone.resetting.busy.cancellable'), ['job.cancel']);
    assert.deepEqual(actions('clone.ready.busy'), []);
    assert.deepEqual(actions('environment.idle.filled.failed'), [
      'clone.create',
      'environment.retry',
      'job.show',
    ]);
    assert.deepEqual(actions('environment.busy.empty.cancellable'), ['job.cancel']);
    assert.deepEqual(actions('note.noSnapshot'), ['environment.refresh']);
    assert.deepEqual(actions('host.needs-login.remote'), ['host.reconnect', 'host.showLog']);
    assert.deepEqual(actions('clone.away'), ['host.reconnect']);
  });

  it('keeps destructive commands in a group of their own, away from the pointer', () => {
    for (const { command, group } of contributes.menus['view/item/context'] ?? []) {
      if (/\.(destroy|delete|remove)$/.test(command)) assert.match(group ?? '', /^3_destructive/);
    }
  });

  it('binds keys only while our view has the focus', () => {
    for (const { when } of contributes.keybindings)
      assert.match(when, /focusedView == thinClones\.environments/);
  });

  it('restricts every setting that names a program, storage or file where the folder is not trusted', () => {
    const dangerous = Object.entries(contributes.configuration.properties).filter(([name]) =>
      /^thinClones\.(programs|storage)\./.test(name),
    );
    assert.ok(dangerous.length >= 4);
    for (const [name, { scope }] of dangerous) {
      assert.equal(scope, 'machine', name);
      assert.ok(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations.includes(name), name);
    }
  });

  it('never activates at startup', () => {
    for (const event of manifest.activationEvents) assert.doesNotMatch(event, /^(\*|onStartupFinished)$/);
  });

  it('names only pictures and files that are there', () => {
    const files = [
      manifest.icon,
      ...Object.values(contributes.views)
        .flat()
        .map(({ icon }) => icon),
      ...contributes.viewsContainers.activitybar.map(({ icon }) => icon),
      ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.svg)),
      ...contributes.jsonValidation.map(({ url }) => url),
    ];
    for (const file of files) assert.ok(existsSync(new URL(file, root)), file);
  });

  it('has pictures in the walkthrough that are drawn without styles, which do not reach into them there', () => {
    const pictures = contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.svg));
    assert.ok(pictures.length >= 5);
    for (const picture of pictures) {
      const text = readFileSync(new URL(picture, root), 'utf8');
      assert.doesNotMatch(text, /<style|style=|class=/, picture);
      // A shape without a fill of its own is black in every theme.
      for (const [shape] of text.matchAll(/<(?:path|ellipse|rect|circle|text)[^>]*>/g))
        assert.match(shape, / fill="(none|var\(--vscode-[\w-]+, #[0-9a-f]+\))"/, picture);
    }
  });

  it('writes no word in those pictures where the front of a drum is drawn', () => {
    const places = (text: string, shape: string, names: readonly string[]): number[][] =>
      [...text.matchAll(RegExp(`<${shape} [^>]*>`, 'g'))].map(([found]) =>
        names.map((name) => Number(RegExp(` ${name}="([\\d.]+)"`).exec(found)?.[1])),
      );
    for (const picture of contributes.walkthroughs.flatMap(({ steps }) =>
      steps.map(({ media }) => media.svg),
    )) {
      const text = readFileSync(new URL(picture, root), 'utf8');
      const words = places(text, 'text', ['x', 'y', 'font-size']);
      const drums = places(text, 'ellipse', ['cx', 'cy', 'rx', 'ry']);
      for (const [x = NaN, y = NaN, size = NaN] of words)
        for (const [cx = NaN, cy = NaN, rx = NaN, ry = NaN] of drums) {
          const front = cy + ry;
          assert.ok(Math.abs(x - cx) > rx || front < y - size || front > y + size / 3, `${picture}: ${y}`);
        }
    }
  });

  it('keeps the ports of clones and of checkouts out of what VS Code forwards, and no others', () => {
    const ignored = Object.entries(contributes.configurationDefaults['remote.portsAttributes']);
    // VS Code tries keys that are neither ports nor ranges as patterns on the command line, in which NUL parts the words.
    const isIgnored = (...words: readonly string[]): boolean =>
      [words.join('\0'), words.join(' ')].every((line) =>
        ignored.some(
          ([pattern, { onAutoForward }]) => onAutoForward === 'ignore' && RegExp(pattern).test(line),
        ),
      );
    const server = buildServerSpec({
      dataset: datasetIdSchema.parse('data-v75apa2scimkk6uz'),
      title: 'clone a of shop',
      program: '/usr/lib/postgresql/18/bin/postgres',
      major: 18,
      dataDirectory: '/home/me/.thin-clones/pool/data/data-v75apa2scimkk6uz',
      socketRoot: '/home/me/.thin-clones/run',
      logFile: '/home/me/.thin-clones/logs/a.log',
      port: 39545,
      durable: true,
      platform: 'linux',
    });
    assert.ok(isIgnored(server.program, ...server.args));
    assert.ok(
      isIgnored('/usr/bin/node', ...engineArguments('/home/me/.vscode/extensions/x/dist/engine.mjs')),
    );
    assert.ok(
      !isIgnored('/usr/lib/postgresql/18/bin/postgres', '-D', '/srv/data', '-c', 'cluster_name=main'),
    );
    assert.ok(!isIgnored('/usr/bin/node', '/src/shop/engine.mjs', 'serve'));
  });
});
