/** Other hosts in the tree, and the way to add one, on an engine that does what the test says. */
import assert from 'node:assert/strict';
import type { HostQuestion } from '../../../engine/protocol/entities.ts';
import { fail, type ThinClonesError } from '../../../engine/protocol/errors.ts';
import { ago, newId, type ScriptedEngine } from '../../support/fakeEngine/scriptedEngine.ts';
import { until } from '../../support/vscode/until.ts';
import { farHost, forgetHost, furnishFarHost } from './farHostRows.ts';
import type { UiSession } from './useWorkbench.ts';

const fingerprint = 'SHA256:hJ4nqvWcQAmd4dCVdRfd6rFkEE7E1yKDdUiR0vXkxNQ';

export function hostTests(ui: () => UiSession, engineNow: () => ScriptedEngine): void {
  const tell = (changes: object = {}): void => engineNow().put({ kind: 'host', entity: farHost(changes) });
  const question = (changes: Partial<HostQuestion>): HostQuestion => ({
    ...{ id: newId('question'), kind: 'password', text: "me@big's password:", fingerprint: null },
    ...{ masked: true, since: ago(0), until: ago(-2), ...changes },
  });
  /** Asks, and resolves with what is answered. */
  const ask = async (asked: HostQuestion, changes: object = {}): Promise<unknown> => {
    const { fake } = engineNow();
    const answered = new Promise<unknown>((resolve) => {
      fake.script.hostAnswer = ({ body }) => {
        if (body.question !== asked.id) throw fail('host_question_over', { host: 'big' });
        resolve(body.reply);
        return farHost();
      };
    });
    tell({ state: 'connecting', question: asked, ...changes });
    const reply = await answered;
    tell({ state: 'connecting', ...changes });
    return reply;
  };
  const row = (label: string, description: RegExp) =>
    ui().workbench.waitForRows(`${label} to be ${String(description)}`, (rows) =>
      rows.some((each) => each.label === label && description.test(each.description)),
    );

  it('has a level for hosts where there are several, with how far away they are, and what can be done with each', async () => {
    const { workbench } = ui();
    tell();
    furnishFarHost(engineNow());
    await row('big', /^1 clone · btrfs, thin · 64 GB free · 31 ms$/);
    const levels = new Map((await workbench.treeRows()).map(({ label, level }) => [label, level]));
    assert.deepEqual(
      ['local', 'shop', 'big', 'sales', 'far'].map((label) => levels.get(label)),
      [1, 2, 1, 2, 4],
    );
    assert.deepEqual(await workbench.contextMenuItems('big'), [
      'Add Environment…',
      'Reconnect Host',
      'Host Doctor',
      'Show Host Log',
      'Remove Host…',
      'Remove and Uninstall Host…',
    ]);
    await workbench.screenshot('hosts');
  });

  it('keeps what a host out of reach holds, and reconnects it with what its login asks, in which no word is a link', async () => {
    const { workbench } = ui();
    const { fake } = engineNow();
    const away = { state: 'needs-login', problem: 'Host big did not accept the login: it takes password.' };
    tell({ ...away, unreachableSince: ago(7) });
    await row('big', /^needs a login since \S+.* · Host big did not accept the login/);
    await row('far', /^out of reach · 5 min ago/);
    assert.deepEqual(await workbench.inlineActions('far'), ['Reconnect Host']);
    assert.deepEqual(await workbench.inlineActions('big'), ['Reconnect Host', 'Show Host Log']);
    await workbench.screenshot('host-needs-login');
    let reply: unknown;
    fake.script.hostReconnect = async () => {
      reply = await ask(
        question({ text: 'Password for [me](command:workbench.action.closeWindow) $(zap):' }),
        away,
      );
      tell();
      return farHost();
    };
    await workbench.inlineAction('big', 'Reconnect Host');
    const box = await workbench.quickInput({ title: 'Password for Host big' });
    assert.match(box.message, /ssh:\/\/me@big asks: Password for \[me\] \(command/);
    assert.equal(await workbench.page.locator('.quick-input-message a').count(), 0);
    await workbench.screenshot('host-password');
    await workbench.inputBox('open sesame', { title: 'Password for Host big' });
    await row('big', /^1 clone/);
    assert.equal(reply, 'open sesame');
    await row('far', /^ready/);
    fake.script.hostLog = () => ({
      items: [{ at: ago(1), level: 'warning', text: 'It asks: ```\n\n[x](command:evil)' }],
    });
    await workbench.contextMenu('big', 'Show Host Log');
    const page = await workbench.webview('Preview big (log).md');
    await page.getByText("It asks: '''").waitFor();
    assert.equal(await page.locator('a').count(), 0);
    await workbench.palette('View: Close All Editors');
  });

  it('sends a password to the host that reads a source only after a question, which is asked once', async () => {
    const { workbench } = ui();
    const { fake } = engineNow();
    fake.script.hostPasswords = ({ body }) => {
      tell({ takesPasswords: body.allow });
      return farHost({ takesPasswords: body.allow });
    };
    fake.script.sourceTest = () => ({
      ...{ ok: true, error: null, serverVersion: '16.4' },
      ...{ databases: [], tables: [], warnings: [] },
    });
    const question = 'Send passwords of sources to host big?';
    const start = async (): Promise<void> => {
      await workbench.contextMenu('big', 'Add Environment…');
      await workbench.quickPick(/Connection URL…/, { title: 'Add Environment on big' });
      await workbench.inputBox('postgresql://app:right@db/shop', { prompt: 'as host big reaches it' });
    };
    await start();
    const dialog = await workbench.dialog(question);
    assert.match(dialog.detail, /\(ssh:\/\/me@big\) reads the sources/);
    await workbench.screenshot('host-passwords');
    await dialog.press('Cancel');
    await workbench.quickInput({ prompt: 'The password is not sent to big' });
    await workbench.cancelQuickInput();
    assert.deepEqual(engineNow().calls('sourceTest'), []);
    await start();
    await (await workbench.dialog(question)).press('Send Passwords');
    await workbench.quickInput({ prompt: 'Name of the environment' });
    await workbench.cancelQuickInput();
    assert.deepEqual(
      engineNow()
        .calls('sourceTest')
        .map(({ body }) => [body.host, body.password]),
      [['big', 'right']],
    );
    await start();
    await workbench.inputBox('fresh', { prompt: 'Name of the environment' });
    await workbench.waitForRow('fresh');
  });

  it('uninstalls nothing while a host holds anything, and offers to forget it alone', async () => {
    const { workbench } = ui();
    engineNow().fake.script.hostRemove = ({ query }) => {
      assert.equal(query.uninstall, 'yes');
      throw fail('host_in_use', { host: 'big', environments: ['sales'], clones: ['far'] });
    };
    await workbench.contextMenu('big', 'Remove and Uninstall Host…');
    const dialog = await workbench.dialog('Remove host big, and the engine there?');
    assert.match(dialog.detail, /While it holds environments, snapshots or clones it is refused/);
    await dialog.press('Remove and Uninstall');
    const refused = await workbench.notification(
      'Host big still holds 1 environment (sales) and 1 clone (far)',
    );
    await refused.press('Only Forget It');
    await (await workbench.dialog('Remove host big?')).press('Cancel');
  });

  it('removes a host only after a question that says what stays there', async () => {
    const { workbench } = ui();
    engineNow().fake.script.hostRemove = ({ params }) => {
      forgetHost(engineNow(), params.host ?? '');
      return { forgotten: true };
    };
    await workbench.contextMenu('big', 'Remove Host…');
    const dialog = await workbench.dialog('Remove host big?');
    assert.match(dialog.detail, /only forgotten on this machine\. Its engine, 1 clone and 1 snapshot stay/);
    await workbench.screenshot('host-remove');
    await dialog.press('Remove');
    await workbench.waitForNoRow('big');
  });

  const startAdding = async (): Promise<void> => {
    const { workbench } = ui();
    engineNow().fake.script.sshNameList = () => ({
      items: [
        { name: 'big', hostName: '10.0.0.7', user: 'me', port: 2222 },
        { name: 'store', hostName: null, user: null, port: null },
      ],
    });
    await workbench.palette('Thin Clones: Add Host…');
  };

  it('offers the names of the ssh configuration when a host is added, and refuses what is more than an address while it is typed', async () => {
    const { workbench } = ui();
    await startAdding();
    assert.deepEqual((await workbench.quickInput({ title: 'Add Host' })).items, ['big', 'store']);
    await workbench.screenshot('host-add-names');
    await workbench.page.keyboard.type('-oProxyCommand=x');
    await until('the refusal', async () =>
      (await workbench.quickInput()).items.includes('It begins with a dash.') ? true : undefined,
    );
    await workbench.screenshot('host-add-refused');
    await workbench.page.keyboard.press('Enter');
    assert.equal((await workbench.quickInput()).title, 'Add Host');
    await workbench.cancelQuickInput();
    assert.deepEqual(engineNow().calls('hostAdd'), []);
  });

  it('adds a host step by step: its key is trusted by nobody who presses Enter, a password goes to its login alone', async () => {
    const { workbench } = ui();
    const { fake } = engineNow();
    const check = (name: string, message: string, status = 'ok') => ({ name, message, status, fix: null });
    const checks = [
      check('reach', '10.0.0.7, port 2222'),
      check('login', 'as me'),
      check('zfs', 'none', 'unused'),
    ];
    const replies: unknown[] = [];
    fake.script.hostAdd = async () => {
      tell({ state: 'connecting', doing: 'Logging in' });
      replies.push(await ask(question({ kind: 'host-key', fingerprint, masked: false, text: 'sure?' })));
      replies.push(await ask(question({}), { doing: 'Logging in' }));
      tell({ state: 'connecting', doing: 'Copying the engine there: 12 of 94 MB', checks });
      await released.promise;
      const warned = check(
        'storage',
        'No file system here can share data, so clones are full copies.',
        'warning',
      );
      tell({ checks: [...checks, warned] });
      return farHost({ checks: [...checks, warned] });
    };
    const released = Promise.withResolvers<undefined>();
    await startAdding();
    await workbench.quickPick('big', { title: 'Add Host' });
    assert.equal((await workbench.quickInput({ prompt: 'Name of the host at ssh://big' })).value, 'big');
    assert.match(await workbench.inputBoxRefusal('a/b'), /Not a name: use letters, digits, "\.", "_" or "-"/);
    await workbench.inputBox('big', { title: 'Add Host' });
    const where = { prompt: 'Where data lives on big' };
    assert.match(await workbench.inputBoxRefusal('tank thin', where), /Not the name of a dataset of ZFS/);
    await workbench.screenshot('host-add-place');
    await workbench.inputBox('tank/thin', { title: 'Add Host' });
    const dialog = await workbench.dialog('Is this the key of host big?');
    assert.ok(dialog.detail.includes(fingerprint), dialog.detail);
    await workbench.screenshot('host-add-key');
    await workbench.page.keyboard.press('Enter');
    await until('the fingerprint to be copied', async () =>
      (await workbench.clipboardText()) === fingerprint ? true : undefined,
    );
    await (await workbench.dialog('Is this the key of host big?')).press('Trust This Key');
    await workbench.inputBox('open sesame', { title: 'Password for Host big' });
    const steps = await until('the steps', async () => {
      const { items } = await workbench.quickInput({ title: 'Add Host big' });
      return items.length === 4 ? items : undefined;
    });
    assert.deepEqual(steps, [...['reach', 'login', 'zfs'], 'Copying the engine there: 12 of 94 MB']);
    await workbench.screenshot('host-add-steps');
    released.resolve(undefined);
    const message = await workbench.notification('Host big is joined. No file system here can share data');
    assert.deepEqual(message.buttons, ['Show Details']);
    await row('big', /64 GB free · 31 ms$/);
    await row('No environments yet', /add one/);
    assert.deepEqual(replies, ['yes', 'open sesame']);
    assert.deepEqual(engineNow().calls('hostAdd').at(-1)?.body, {
      ...{ name: 'big', address: 'ssh://big', questions: true, dataset: 'tank/thin' },
    });
    await workbench.screenshot('host-added');
    await workbench.clearNotifications();
    forgetHost(engineNow(), 'big');
    await workbench.waitForNoRow('big');
  });

  it('says why a host could not be added, what to do, and shows what was tried; Escape ends an attempt', async () => {
    const { workbench } = ui();
    const { fake } = engineNow();
    let next: () => Promise<ThinClonesError> = async () =>
      fail('host_refused', { host: 'store', problem: 'ssh: connect to host store port 22: [x](command:y)' });
    fake.script.hostAdd = async () => {
      tell({ name: 'store', state: 'connecting', doing: 'Logging in' });
      const failure = await next();
      forgetHost(engineNow(), 'store');
      throw failure;
    };
    await startAdding();
    await workbench.quickPick('store', { title: 'Add Host' });
    await workbench.inputBox('store', { prompt: 'Name of the host' });
    await workbench.inputBox('', { prompt: 'Where data lives on store' });
    const message = await workbench.notification("Host store can't be reached: nothing accepts connections");
    assert.match(message.text, /Check host and port, that the machine runs/);
    assert.deepEqual(message.buttons, ['Try Again', 'Change Address', 'Show Log']);
    assert.equal(await message.locator.locator('.notification-list-item-message a').count(), 0);
    await workbench.screenshot('host-add-failed');
    const hanging = Promise.withResolvers<ThinClonesError>();
    next = () => hanging.promise;
    await message.press('Try Again');
    await until('the second attempt', async () =>
      (await workbench.quickInput({ title: 'Add Host store' })).items.includes('Logging in')
        ? true
        : undefined,
    );
    await workbench.cancelQuickInput();
    await workbench.waitForRow('store');
    hanging.resolve(fail('canceled', {}));
    await workbench.waitForNoRow('store');
    assert.deepEqual(await workbench.notifications(), []);
  });
}
