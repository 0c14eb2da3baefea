/** Adds variables to a debug configuration, as the different debuggers take them, without replacing what it sets itself. */

export interface Configuration {
  readonly type?: unknown;
  readonly request?: unknown;
  readonly env?: unknown;
  readonly environment?: unknown;
}

/** They run in no process that reads an environment of ours. */
const withoutEnvironment = /^(pwa-)?(chrome|msedge|firefox|safari)$/;
/** They name it `environment`, with a list of names and values. */
const withList = /^(cppdbg|cppvsdbg)$/;

const nameOf = (entry: unknown): unknown =>
  typeof entry === 'string'
    ? entry.slice(0, Math.max(entry.indexOf('='), 0))
    : typeof entry === 'object' && entry !== null && 'name' in entry
      ? entry.name
      : undefined;

/**
 * The configuration with the variables; the same object when there is nothing to add. `taken`: names that it sets by other
 * means, such as a file. Windows knows no difference between `Path` and `PATH`.
 */
export function withVariables<T extends Configuration>(
  configuration: T,
  variables: Readonly<Record<string, string>>,
  { taken, platform }: { readonly taken: ReadonlySet<string>; readonly platform: NodeJS.Platform },
): T {
  const { type, request } = configuration;
  if (request === 'attach' || (typeof type === 'string' && withoutEnvironment.test(type)))
    return configuration;
  const fold = (name: string): string => (platform === 'win32' ? name.toUpperCase() : name);
  const own = new Set([...taken].map(fold));
  const missing = (present: readonly unknown[]): [string, string][] => {
    for (const name of present) if (typeof name === 'string') own.add(fold(name));
    return Object.entries(variables).filter(([name]) => !own.has(fold(name)));
  };
  if (typeof type === 'string' && withList.test(type)) {
    const list: readonly unknown[] = Array.isArray(configuration.environment)
      ? configuration.environment
      : [];
    const added = missing(list.map(nameOf)).map(([name, value]) => ({ name, value }));
    return added.length === 0 ? configuration : { ...configuration, environment: [...list, ...added] };
  }
  const { env } = configuration;
  if (Array.isArray(env)) {
    const list: readonly unknown[] = env;
    const added = missing(list.map(nameOf)).map(([name, value]) => `${name}=${value}`);
    return added.length === 0 ? configuration : { ...configuration, env: [...list, ...added] };
  }
  const set = typeof env === 'object' && env !== null ? (env as Record<string, unknown>) : {};
  const added = missing(Object.keys(set));
  return added.length === 0
    ? configuration
    : { ...configuration, env: { ...Object.fromEntries(added), ...set } };
}

/** Names that a file of `NAME=value` lines sets. */
export function namesInEnvFile(text: string): string[] {
  return [...text.matchAll(/^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=/gm)].map(
    ([, name]) => name ?? '',
  );
}
