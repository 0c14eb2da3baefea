import { createFakeHost } from '../../../engine/host/fake/fakeHost.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { describeHost } from './host.contract.ts';

describeHost('fake', async () => {
  const host = createFakeHost({
    name: hostNameSchema.parse('local'),
    programs: {
      print: ({ args }) => ({ stdout: args.map((word) => `${word}\n`).join('') }),
      failing: () => ({ code: 3, stderr: 'broken\n' }),
      endless: () => new Promise(() => undefined),
    },
  });
  await host.files.makeDirectory('/test');
  return {
    host,
    folder: '/test',
    print: { program: 'print', args: [] },
    failing: { program: 'failing', args: [] },
    endless: { program: 'endless', args: [] },
    dispose: async () => undefined,
  };
});
