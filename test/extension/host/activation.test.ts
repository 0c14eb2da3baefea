import assert from 'node:assert/strict';
import * as vscode from 'vscode';

describe('the extension in the extension host', () => {
  it('is present, with the commands it contributes, and activates', async () => {
    const extension = vscode.extensions.getExtension('thin-clones.thin-clones');
    assert.ok(extension, 'thin-clones.thin-clones is not loaded');
    await extension.activate();
    assert.equal(extension.isActive, true);
    const manifest = extension.packageJSON as { contributes?: { commands?: { command: string }[] } };
    const contributed = (manifest.contributes?.commands ?? []).map(({ command }) => command);
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(
      contributed.filter((command) => !registered.has(command)),
      [],
      'contributed but not registered',
    );
  });
});
