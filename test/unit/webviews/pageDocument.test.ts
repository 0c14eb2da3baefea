/** The HTML of a webview. */
import assert from 'node:assert/strict';
import { contentSecurityPolicy, pageHtml } from '../../../src/webviews/pageDocument.ts';

const page = {
  cspSource: 'https://*.vscode-cdn.net',
  script: 'https://x/job.js',
  style: 'https://x/job.css',
  title: 'Job',
  data: { job: '"><script>alert(1)</script>' },
};

describe('The document of a page', () => {
  it('has exactly the policy that is promised', () => {
    assert.equal(
      contentSecurityPolicy('abc', 'S'),
      "default-src 'none'; script-src 'nonce-abc'; style-src S; font-src S; img-src S",
    );
  });

  it('has one script, with the nonce, and no inline style', () => {
    const html = pageHtml(page, 'bm9uY2U=');
    assert.equal(html.match(/<script/g)?.length, 1);
    assert.match(html, /<script nonce="bm9uY2U=" src="https:\/\/x\/job\.js">/);
    assert.doesNotMatch(html, /style=|<style|unsafe|connect-src/);
  });

  it('has another nonce each time', () => {
    const nonces = [pageHtml(page), pageHtml(page)].map((html) => /nonce="([^"]+)"/.exec(html)?.[1]);
    assert.notEqual(nonces[0], nonces[1]);
    assert.equal(nonces[0]?.length, 24);
  });

  it('writes what it is given as text', () => {
    assert.doesNotMatch(pageHtml(page), /<script>alert/);
  });
});
