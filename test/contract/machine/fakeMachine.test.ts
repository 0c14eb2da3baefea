import { createFakeMachine } from '../../../engine/machine/fake/fakeMachine.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { describeHost } from './machine.contract.ts';

describeHost('fake', async () => {
  const machine = createFakeMachine({
    name: hostNameSchema.parse('local'),
    programs: {
      print: ({ args }) => ({ stdout: args.map((word) => `${word}\n`).join('') }),
      failing: () => ({ code: 3, stderr: 'broken\n' }),
      endless: () => new Promise(() => undefined),
    },
  });
  await machine.files.makeDirectory('/test');
  return {
    machine,
    folder: '/test',
    print: { program: 'print', args: [] },
    failing: { program: 'failing', args: [] },
    endless: { program: 'endless', args: [] },
    dispose: async () => undefined,
  };
});
