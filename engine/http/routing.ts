/** Finds the route of a path in the table, and what the path says for its parameters. */
import { routes, type RouteName } from '../protocol/routes.ts';

export interface FoundRoute {
  name: RouteName;
  /** Decoded. */
  params: Readonly<Record<string, string>>;
}

const parts = (path: string): string[] => path.split('/');

const table = (Object.keys(routes) as RouteName[]).map((name) => ({
  name,
  method: routes[name].method,
  pattern: parts(routes[name].path),
}));

/** The first one that fits, in the order of the table. A parameter is never empty, and has no slash that is not encoded. */
export function findRoute(method: string, path: string): FoundRoute | undefined {
  const asked = parts(path);
  const found = table.find(
    (route) =>
      route.method === method &&
      route.pattern.length === asked.length &&
      route.pattern.every((part, index) =>
        part.startsWith(':') ? asked[index] !== '' : part === asked[index],
      ),
  );
  if (found === undefined) return undefined;
  const params = found.pattern.flatMap((part, index): [string, string][] =>
    part.startsWith(':') ? [[part.slice(1), decode(asked[index] ?? '')]] : [],
  );
  return { name: found.name, params: Object.fromEntries(params) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // best effort: what is not encoded well is looked up as it stands, and found by nobody
    return text;
  }
}
