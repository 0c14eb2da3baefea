/** Writes every call of a port with its time into the log, for developers: `npm run bench -- --trace` shows those of a create. */
import type { Log } from '../ports/log.ts';

/** What a call is about, where that says no secret: a path, an id, a program. */
function subjectOf([first]: readonly unknown[]): string {
  if (typeof first === 'string') return first;
  if (typeof first !== 'object' || first === null || !('program' in first)) return '';
  return typeof first.program === 'string' ? first.program : '';
}

/** The same port; calls also of the ports inside it (`host.files`) are written when they end. */
export function traced<Port extends object>(name: string, port: Port, log: Log): Port {
  const inner = new Map<PropertyKey, unknown>();
  return new Proxy(port, {
    get(target, key, receiver) {
      const value: unknown = Reflect.get(target, key, receiver);
      if (inner.has(key)) return inner.get(key);
      const path = `${name}.${String(key)}`;
      let made: unknown = value;
      if (typeof value === 'function') made = tracedCall(path, value as (...args: unknown[]) => unknown, log);
      else if (['files', 'processes'].includes(String(key))) made = traced(path, value as object, log);
      if (made !== value) inner.set(key, made);
      return made;
    },
  });
}

function tracedCall(call: string, work: (...args: unknown[]) => unknown, log: Log) {
  return (...args: unknown[]): unknown => {
    const at = performance.now();
    const end = (): void =>
      log.info('trace', { call, subject: subjectOf(args), at, ms: performance.now() - at });
    const result = work(...args);
    if (!(result instanceof Promise)) {
      end();
      return result;
    }
    return result.finally(end);
  };
}
