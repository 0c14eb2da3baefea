/** Loaded before an engine under test: its wall clock is off by as many milliseconds as a file says, its monotonic one is not. */
import { existsSync, readFileSync } from 'node:fs';

const file = process.env.THIN_CLONES_TEST_CLOCK ?? '';
const offMs = (): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);

const RealDate = Date;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given: unknown[], asked) =>
    given.length === 0
      ? new target(target.now() + offMs())
      : (Reflect.construct(target, given, asked) as Date),
  get: (target, name, receiver) =>
    name === 'now' ? () => target.now() + offMs() : (Reflect.get(target, name, receiver) as unknown),
});
