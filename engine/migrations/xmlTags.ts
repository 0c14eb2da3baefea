/** Reads the tags of an XML document in order, which is all that a changelog needs; comments and CDATA are passed over. */

export interface XmlTag {
  /** Without its namespace prefix. */
  name: string;
  kind: 'open' | 'close' | 'empty';
  attributes: ReadonlyMap<string, string>;
}

export function xmlTags(text: string): XmlTag[] {
  const found: XmlTag[] = [];
  const pattern =
    /<!--(?:[\s\S]*?-->|[\s\S]*$)|<!\[CDATA\[(?:[\s\S]*?\]\]>|[\s\S]*$)|<[?!][^>]*(?:>|$)|<(\/?)([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>/g;
  for (const [, slash, name, rest = '', end] of text.matchAll(pattern)) {
    if (name === undefined) continue;
    found.push({
      name: name.replace(/^.*:/, ''),
      kind: slash === '/' ? 'close' : end === '/' ? 'empty' : 'open',
      attributes: attributesIn(rest),
    });
  }
  return found;
}

function attributesIn(text: string): Map<string, string> {
  const pairs = text.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g);
  return new Map([...pairs].map(([, name = '', a, b]) => [name, unescaped(a ?? b ?? '')]));
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

const unescaped = (text: string): string =>
  text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (whole, name: string) => entities[name] ?? whole);
