import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { ExtensionExports } from '../../../src/extension.ts';

const extension = (): vscode.Extension<ExtensionExports> => {
  const found = vscode.extensions.getExtension<ExtensionExports>('thin-clones.thin-clones');
  assert.ok(found, 'thin-clones.thin-clones is not loaded');
  return found;
};

describe('the extension in the extension host', () => {
  it('is not active before it is needed', () => {
    assert.equal(extension().isActive, false);
  });

  it('starts no engine when it is activated, and tells how long that took', async () => {
    const { activationMs, services } = await extension().activate();
    console.log(`      ${activationMs.toFixed(1)} ms`);
    for (const folder of services.checkouts.folders()) await services.checkouts.follower.settled(folder);
    assert.equal(services.session.state.kind, 'idle');
    assert.deepEqual(readdirSync(services.paths.home), []);
  });

  it('registers every command that it contributes', async () => {
    const manifest = extension().packageJSON as { contributes?: { commands?: { command: string }[] } };
    const contributed = (manifest.contributes?.commands ?? []).map(({ command }) => command);
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(
      contributed.filter((command) => !registered.has(command)),
      [],
    );
  });

  it('finds what runs each command in the file that is read with the first one', async () => {
    const load = createRequire(join(extension().extensionPath, 'dist', 'extension.cjs'));
    const { commandTable } = load('./extension-commands.cjs') as {
      commandTable: Readonly<Record<string, () => Promise<unknown>>>;
    };
    const { contributes } = extension().packageJSON as { contributes: { commands: { command: string }[] } };
    for (const { command } of contributes.commands)
      assert.equal(typeof (await commandTable[command]?.()), 'function', command);
  });

  it('has its ports left out of what VS Code forwards by itself, beside what others say of ports', async () => {
    const attributes = vscode.workspace.getConfiguration('remote');
    const { contributes } = extension().packageJSON as {
      contributes: { configurationDefaults: { 'remote.portsAttributes': Record<string, object> } };
    };
    const ours = contributes.configurationDefaults['remote.portsAttributes'];
    const own = { 3000: { onAutoForward: 'openBrowser' } };
    const vscodes = { 443: { protocol: 'https' }, 8443: { protocol: 'https' } };
    assert.deepEqual(attributes.get('portsAttributes'), { ...vscodes, ...ours });
    await attributes.update('portsAttributes', own, vscode.ConfigurationTarget.Global);
    try {
      const changed = vscode.workspace.getConfiguration('remote').get('portsAttributes');
      assert.deepEqual(changed, { ...vscodes, ...ours, ...own });
    } finally {
      await attributes.update('portsAttributes', undefined, vscode.ConfigurationTarget.Global);
    }
  });

  it('keeps a password in the secret storage under its home, environment and member', async () => {
    const { services } = extension().exports;
    const environment = {
      name: 'a"b',
      definition: { members: { m: {}, other: {} } },
    } as unknown as Parameters<typeof services.passwords.of>[0];
    assert.equal(await services.passwords.of(environment), undefined);
    await services.passwords.store('a"b', 'm', 'secret');
    assert.deepEqual(await services.passwords.of(environment), { m: 'secret' });
    await services.passwords.forget(environment);
    assert.equal(await services.passwords.of(environment), undefined);
  });

  it('starts the engine, as a process of its own, on the first need', async () => {
    const { services } = extension().exports;
    const client = await services.client();
    const info = await client.call('engineInfo', {});
    assert.equal(info.home, services.paths.home);
    assert.notEqual(info.pid, process.pid);
    assert.equal(services.session.state.kind, 'connected');
  });

  it('starts the engine again when a command needs it after a stop', async () => {
    const { services } = extension().exports;
    const before = await (await services.client()).call('engineInfo', {});
    await vscode.commands.executeCommand('thinClones.engine.stop');
    assert.equal(services.session.state.kind, 'stopped');
    await vscode.commands.executeCommand('thinClones.engine.start');
    const after = await (await services.client()).call('engineInfo', {});
    assert.notEqual(after.pid, before.pid);
    await vscode.commands.executeCommand('thinClones.engine.stop');
  });
});
