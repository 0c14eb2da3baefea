/** Declaring environments by a thin-clones.yaml of the workspace. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { declinedHostSchema, type DeclinedHost } from '../../../engine/protocol/entities.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import {
  fakeHost,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { useWorkbench } from './useWorkbench.ts';

const file = (retrieval: string, more = ''): string => `version: 1
environments:
  shop:
    members:
      orders:
        engine: postgres
        retrieval: ${retrieval}
        url: postgresql://reader@db.example.org/shop
${more}`;

describe('a thin-clones.yaml in the workspace', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      engine.put({ kind: 'host', entity: fakeHost() });
      engine.fake.script.sourceTest = () => ({
        ok: true,
        error: null,
        serverVersion: '16.4',
        databases: [],
        tables: [],
        warnings: [],
      });
      engine.fake.script.environmentShow = ({ params }) => {
        const found = engine.fake.overview.environments.find(({ name }) => name === params.environment);
        if (found === undefined) throw fail('not_found', { kind: 'environment', name: 'shop' });
        return found;
      };
      await writeFile(join(scratch.workspace, 'thin-clones.yaml'), file('sideways'));
    },
  });
  after('stop the engine', () => engine.close());

  it('is refused with the place of the mistake, which one button opens', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    const message = await workbench.notification('is not valid');
    assert.match(message.text, /thin-clones\.yaml:7:/);
    assert.ok(!(await workbench.notifications()).some((text) => text.includes('Applying')));
    await workbench.screenshot('apply-refused');
    // Away from where the palette was: a tooltip there covers the button.
    await workbench.page.mouse.move(640, 300);
    await workbench.page.locator('.monaco-hover.workbench-hover').waitFor({ state: 'hidden' });
    await message.press('Open File');
    await workbench.statusBarItem('Ln 7, Col 20');
  });

  it('declares its environments, and offers their first snapshot', async () => {
    const { workbench, scratch } = ui();
    await writeFile(join(scratch.workspace, 'thin-clones.yaml'), file('logical'));
    await workbench.openView('Thin Clones');
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    const message = await workbench.notification('shop: created.');
    await message.press('Take First Snapshot');
    await workbench.waitForRow(['shop', 'Snapshots']);
  });

  it('asks for a password that the named place does not have, until the source takes one', async () => {
    const { workbench, scratch } = ui();
    await workbench.clearNotifications();
    const refused = fail('source_password', { user: 'reader', host: 'db.example.org' }).document;
    engine.fake.script.sourceTest = ({ body }) => ({
      ok: body.password === 'right',
      error: body.password === 'right' ? null : refused,
      serverVersion: '16.4',
      databases: [],
      tables: [],
      warnings: [],
    });
    const more = '        password: { env: TEST_PASSWORD_THAT_IS_NOT_SET }\n';
    await writeFile(join(scratch.workspace, 'thin-clones.yaml'), file('logical', more));
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    const title = 'Password of shop/orders';
    await workbench.inputBox('wrong', { title, prompt: 'TEST_PASSWORD_THAT_IS_NOT_SET' });
    await workbench.inputBox('right', { title, prompt: 'refused the password of user "reader"' });
    await workbench.notification('shop: changed.');
    // It is in the secret storage now, so that nobody is asked again.
    await writeFile(
      join(scratch.workspace, 'thin-clones.yaml'),
      file('logical', `${more}        database: shop\n`),
    );
    await workbench.clearNotifications();
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    await workbench.notification('shop: changed.');
  });

  it('reaches a host that the file names only after a person trusts that address, once', async () => {
    const { workbench, scratch } = ui();
    await workbench.clearNotifications();
    const big = (address: unknown) => fakeHost({ name: 'big', kind: 'ssh', address });
    engine.fake.script.hostList = () => ({ items: engine.fake.overview.hosts });
    engine.fake.script.hostAdd = ({ body }) => {
      engine.put({ kind: 'host', entity: big(body.address) });
      return big(body.address);
    };
    let declined: DeclinedHost[] = [];
    engine.fake.script.hostDeclinedList = () => ({ items: declined });
    engine.fake.script.sshNameList = () => ({ items: [] });
    engine.fake.script.hostDecline = ({ body }) => ({
      items: (declined = [declinedHostSchema.parse(body)]),
    });
    const write = (address: string, host = 'local') =>
      writeFile(
        join(scratch.workspace, 'thin-clones.yaml'),
        `${file('logical', `    host: ${host}\n`)}hosts:\n  big: { address: ${address}, dataset: tank/thin }\n`,
      );
    await write('me@old');
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    await (await workbench.dialog('Trust host big of thin-clones.yaml?')).press("Don't Trust");
    // It lives here.
    await workbench.notification('shop: changed.');
    await workbench.clearNotifications();
    await write('me@old', 'big');
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    // Nobody is asked again; the button changes that.
    const refused = await workbench.notification(
      /says that host big is ssh:\/\/me@old, and somebody said no to that/,
    );
    await refused.press('Add Host…');
    await workbench.cancelQuickInput();
    await workbench.clearNotifications();
    await write('me@big');
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    const dialog = await workbench.dialog('Trust host big of thin-clones.yaml?');
    assert.match(dialog.detail, /The file says that it is ssh:\/\/me@big\./);
    await workbench.screenshot('apply-host');
    await dialog.press('Cancel');
    assert.deepEqual(engine.calls('hostAdd'), []);
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    await (await workbench.dialog('Trust host big of thin-clones.yaml?')).press('Trust');
    await workbench.waitForRow('big');
    assert.deepEqual(
      engine.calls('hostAdd').map(({ body }) => body),
      [{ name: 'big', address: 'ssh://me@big', questions: true, dataset: 'tank/thin' }],
    );
    await workbench.notification('shop: changed.');
    await workbench.clearNotifications();
    await workbench.palette('Thin Clones: Apply thin-clones.yaml');
    await workbench.notification('shop: changed.');
    assert.equal(engine.calls('hostAdd').length, 1);
  });
});
