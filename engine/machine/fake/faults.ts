/** Makes chosen calls of a port fail, so that tests see what services do when anything goes wrong at any moment. */

export interface Fault<Name extends string> {
  /** Counts calls of this method, or of all methods when it is left out. */
  method?: Name;
  /** 1 is the next one. */
  nth?: number;
  /** `after`: the effect happens and the caller never hears of it, as when the engine is killed. Default `before`. */
  when?: 'before' | 'after';
  error?: Error;
}

export interface Faults<Name extends string> {
  /** Every call so far, in order. */
  readonly calls: Name[];
  fail(fault: Fault<Name>): void;
  clear(): void;
}

export type CallOf<Port> = {
  [Name in keyof Port]: Port[Name] extends (...args: never[]) => Promise<unknown> ? Name : never;
}[keyof Port] &
  string;

/** The same port, each of whose asynchronous methods can be ordered to fail. */
export function withFaults<Port extends object>(
  port: Port,
  makeError: (method: string) => Error,
): Port & { faults: Faults<CallOf<Port>> } {
  type Name = CallOf<Port>;
  const calls: Name[] = [];
  let planned: {
    method: Name | undefined;
    left: number;
    when: 'before' | 'after';
    error: Error | undefined;
  }[] = [];
  const strike = (name: Name) => {
    calls.push(name);
    for (const fault of planned) {
      if (fault.method !== undefined && fault.method !== name) continue;
      fault.left -= 1;
      if (fault.left > 0) continue;
      planned = planned.filter((other) => other !== fault);
      return { when: fault.when, error: fault.error ?? makeError(name) };
    }
    return undefined;
  };
  const wrapped: Record<string, unknown> = Object.fromEntries(Object.entries(port));
  for (const [name, method] of Object.entries(port)) {
    if (typeof method !== 'function') continue;
    const call = method as (...args: unknown[]) => unknown;
    wrapped[name] = async (...args: unknown[]) => {
      const fault = strike(name as Name);
      if (fault?.when === 'before') throw fault.error;
      const value = await call(...args);
      if (fault !== undefined) throw fault.error;
      return value;
    };
  }
  const faults: Faults<Name> = {
    calls,
    fail({ method, nth = 1, when = 'before', error }) {
      planned.push({ method, left: nth, when, error });
    },
    clear() {
      planned = [];
    },
  };
  return { ...wrapped, faults } as Port & { faults: Faults<Name> };
}
