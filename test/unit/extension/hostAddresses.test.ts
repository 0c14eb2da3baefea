import assert from 'node:assert/strict';
import { configuredChoices, proposedName, readAddress, readPlace } from '../../../src/hosts/addresses.ts';
import { plain } from '../../../src/views/markdown.ts';

describe('the address of a host that is added', () => {
  it('is read as the engine reads it, and written in one way', () => {
    for (const [typed, address] of [
      ['ssh://me@big', 'ssh://me@big'],
      [' me@big ', 'ssh://me@big'],
      ['SSH://big:2222/', 'ssh://big:2222'],
      ['[::1]', 'ssh://[::1]'],
    ] as const) {
      const read = readAddress(typed);
      assert.ok(read.ok && read.address === address, typed);
    }
  });

  it('is refused with the reason while it is typed, where it could be more than an address', () => {
    for (const [typed, reason] of [
      ['-oProxyCommand=touch', /^It begins with a dash\.$/],
      ['ssh://-oProxyCommand=x', /^It begins with a dash\.$/],
      ['big && rm', /^It has a space or a control character/],
      ['me:secret@big', /A password never stands in an address/],
      ['https://big', /another kind than ssh/],
      ['big:22', /port only after ssh/],
      ['ssh://big:99999', /from 1 to 65535/],
      ['', /names no host/],
    ] as const) {
      const read = readAddress(typed);
      assert.ok(!read.ok, typed);
      assert.match(read.problem, reason);
      assert.match(read.next, /Write it as ssh:/);
    }
  });

  it('can be chosen among the names of the ssh configuration that are not joined yet', () => {
    const name = { hostName: null, user: null, port: null };
    assert.deepEqual(
      configuredChoices(
        [
          { ...name, name: 'big', hostName: '10.0.0.7', user: 'me', port: 2222 },
          { ...name, name: 'joined' },
          { ...name, name: 'plain' },
          { ...name, name: 'user', user: 'me' },
          { ...name, name: '-oProxyCommand=x' },
        ],
        [{ address: 'ssh://joined' }, { address: null }],
      ).map(({ label, description, address }) => [label, description, address]),
      [
        ['big', 'me@10.0.0.7, port 2222', 'ssh://big'],
        ['plain', '', 'ssh://plain'],
        ['user', 'me@user', 'ssh://user'],
      ],
    );
  });

  it('comes with where data lives there: a folder, a dataset of ZFS, or nothing', () => {
    assert.deepEqual(readPlace('  '), {});
    assert.deepEqual(readPlace(' /srv/thin clones '), { path: '/srv/thin clones' });
    assert.deepEqual(readPlace('tank/thin'), { dataset: 'tank/thin' });
    for (const wrong of ['srv thin', 'tank@snapshot', 'tank/', '-o', '/srv\nx', '~/data'])
      assert.ok('problem' in readPlace(wrong), wrong);
  });

  it('gives the host a name that is short, and free', () => {
    assert.equal(proposedName('store.example.org', new Set()), 'store');
    assert.equal(proposedName('store', new Set(['store', 'store-2'])), 'store-3');
    assert.equal(proposedName('10.0.0.7', new Set()), '10.0.0.7');
    assert.equal(proposedName('fe80::1', new Set()), 'fe80-1');
  });
});

describe('a text of somebody else', () => {
  it('is no link to a command and no icon where VS Code reads these in messages, prompts and lists', () => {
    assert.equal(
      plain('Password for [me](command:workbench.action.quit "x") $(zap) $x'),
      'Password for [me] (command:workbench.action.quit "x") $ (zap) $x',
    );
  });
});
