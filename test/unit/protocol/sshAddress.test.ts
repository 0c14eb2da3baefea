import assert from 'node:assert/strict';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { formatSshAddress, parseSshAddress } from '../../../engine/protocol/sshAddress.ts';
import { corpus } from '../../security/corpus.ts';

describe('the address of a host', () => {
  const good: readonly [string, ReturnType<typeof parseSshAddress>][] = [
    ['ssh://me@big', { user: 'me', host: 'big' }],
    ['ssh://big', { host: 'big' }],
    ['big', { host: 'big' }],
    ['me@big.example.com', { user: 'me', host: 'big.example.com' }],
    ['SSH://me@big:2222/', { user: 'me', host: 'big', port: 2222 }],
    ['ssh://192.0.2.7:22', { host: '192.0.2.7', port: 22 }],
    ['ssh://me@[2001:db8::1]:2222', { user: 'me', host: '2001:db8::1', port: 2222 }],
    ['[fe80::1%eth0]', { host: 'fe80::1%eth0' }],
    ['ssh://me@corp@big', { user: 'me@corp', host: 'big' }],
    ['ssh://CORP\\me@big', { user: 'CORP\\me', host: 'big' }],
    ['zfs_box+lab', { host: 'zfs_box+lab' }],
  ];
  for (const [text, address] of good)
    it(`reads ${text}`, () => {
      assert.deepEqual(parseSshAddress(text), address);
      assert.deepEqual(parseSshAddress(formatSshAddress(address)), address);
    });

  const bad: readonly [string, RegExp][] = [
    ['', /names no host/],
    ['ssh://', /names no host/],
    ['ssh://me@', /names no host/],
    ['-oProxyCommand=id', /begins with a dash/],
    ['ssh://-oProxyCommand=id', /begins with a dash/],
    ['me@-oProxyCommand=id', /begins with a dash/],
    ['-l@big', /begins with a dash/],
    ['ssh://-Fx@big', /begins with a dash/],
    ['ssh://[-oProxyCommand=id]', /begins with a dash/],
    ['big -oProxyCommand=id', /a space or a control character/],
    ['big\n', /a space or a control character/],
    ['big\u00a0', /a space or a control character/],
    ['b\u202eig', /a space or a control character/],
    ['ssh://big:0', /its port/],
    ['ssh://big:65536', /its port/],
    ['ssh://big:2x', /its port/],
    ['ssh://big:', /its port/],
    ['big:22', /a port only after ssh/],
    ['2001:db8::1', /brackets/],
    ['ssh://me:secret@big', /a password never/],
    ['http://big', /another kind/],
    ['docker://big', /another kind/],
    ['me`id`@big', /its user/],
    ['$(id)@big', /its user/],
    ['me\\@big', /its user/],
    ['big;id', /its host/],
    ['big/x', /its host/],
    ['%h', /its host/],
    ['bücher', /xn--/],
    ['b'.repeat(254), /too long/],
    [`${'u'.repeat(65)}@big`, /too long/],
  ];
  for (const [text, problem] of bad)
    it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parseSshAddress(text),
        (error) => isFailure(error, 'host_address') && problem.test(error.message),
      );
    });

  it('lets nothing through that means something to a shell or to ssh, wherever it stands', () => {
    const safe = /^(?!-)[A-Za-z0-9_.+@%:\\-]+$/;
    let read = 0;
    for (const text of corpus('/tmp/sentinel'))
      for (const whole of [
        text,
        `ssh://${text}`,
        `${text}@big`,
        `me@${text}`,
        `ssh://me@big:${text}`,
        `[${text}]`,
      ]) {
        let address;
        try {
          address = parseSshAddress(whole);
        } catch (error) {
          assert.ok(isFailure(error, 'host_address'), String(error));
          assert.doesNotMatch(error.message, /[\p{Cc}\p{Cf}]/u);
          continue;
        }
        read += 1;
        for (const part of [address.host, address.user ?? 'x']) assert.match(part, safe, whole);
      }
    assert.ok(read < 60, `${read} of the corpus are addresses`);
  });

  it('reads what it writes, whatever random text it was made of', () => {
    const letters = [
      'a',
      'B',
      '7',
      '.',
      '-',
      '_',
      '+',
      '@',
      ':',
      '[',
      ']',
      '%',
      '\\',
      '/',
      ' ',
      '$',
      'é',
      '\u0000',
    ];
    let state = 11;
    const chance = (below: number): number => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * below);
    };
    for (let round = 0; round < 20_000; round++) {
      const word = Array.from({ length: 1 + chance(10) }, () => letters[chance(letters.length)]).join('');
      const text = chance(2) === 0 ? word : `ssh://${word}`;
      let address;
      try {
        address = parseSshAddress(text);
      } catch (error) {
        assert.ok(isFailure(error, 'host_address'), `${text}: ${String(error)}`);
        continue;
      }
      assert.ok(!address.host.startsWith('-') && address.user?.startsWith('-') !== true, text);
      assert.deepEqual(parseSshAddress(formatSshAddress(address)), address, text);
    }
  });
});
