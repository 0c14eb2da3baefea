/** The HTML of a webview: one script, one style sheet, and a policy that allows nothing else. */
import { randomBytes } from 'node:crypto';

export interface PageDocument {
  readonly cspSource: string;
  readonly script: string;
  readonly style: string;
  readonly title: string;
  /** Becomes `data-*` attributes of the body. */
  readonly data: Readonly<Record<string, string>>;
}

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

export function contentSecurityPolicy(nonce: string, cspSource: string): string {
  return `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${cspSource}; font-src ${cspSource}; img-src ${cspSource}`;
}

export function pageHtml(page: PageDocument, nonce = randomBytes(16).toString('base64')): string {
  const data = Object.entries(page.data).map(([name, value]) => ` data-${name}="${escape(value)}"`);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${escape(contentSecurityPolicy(nonce, page.cspSource))}">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>${escape(page.title)}</title>
<link rel="stylesheet" href="${escape(page.style)}">
</head>
<body${data.join('')}>
<script nonce="${nonce}" src="${escape(page.script)}"></script>
</body>
</html>
`;
}
