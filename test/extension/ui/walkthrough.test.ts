/** Each step of the walkthrough has a picture that can be seen in every kind of theme. */
import assert from 'node:assert/strict';
import { startScriptedEngine, type ScriptedEngine } from '../../support/fakeEngine/scriptedEngine.ts';
import { pickTheme } from './colorTheme.ts';
import { useWorkbench } from './useWorkbench.ts';

/** A step, and words that only its picture has. */
const steps = [
  ['Add an environment', 'your PostgreSQL'],
  ['Take the first snapshot', 'one moment of all its data'],
  ['Create a clone', 'each clone keeps only what it changes'],
  ['Break it, and have it back', 'same port, user and password'],
  ['Let the database follow the branch', 'your application'],
] as const;

/** What a page has and Node does not. */
interface Drawn {
  getComputedStyle(shape: unknown): { fill: string; stroke: string };
}

describe('the pictures of the walkthrough', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
    },
  });
  after('stop the engine', () => engine.close());

  for (const name of ['light', 'dark', 'highContrast'] as const) {
    it(`are drawn in the colours of ${name}`, async () => {
      const { workbench } = ui();
      const { page } = workbench;
      await workbench.openView('Thin Clones');
      await pickTheme(workbench, name);
      // The pictures are shown where there is room beside the steps.
      await page.setViewportSize({ width: 1900, height: 1000 });
      await workbench.palette('Thin Clones: Get Started');
      for (const [index, [step, words]] of steps.entries()) {
        await page.locator('.gettingStartedContainer .getting-started-step', { hasText: step }).click();
        const picture = page
          .frameLocator('iframe.webview.ready')
          .frameLocator('iframe#active-frame')
          .locator('svg', { hasText: words });
        await picture.waitFor();
        // Neither a line nor a text is black, which is what shapes are that no style reaches.
        const colours = await picture.locator('path, ellipse, text').evaluateAll((shapes) =>
          shapes.map((shape) => {
            const { fill, stroke } = (globalThis as unknown as Drawn).getComputedStyle(shape);
            return `${fill} ${stroke}`;
          }),
        );
        assert.ok(colours.length > 5);
        for (const colour of colours) assert.doesNotMatch(colour, /^rgb\(0, 0, 0\)/);
        await workbench.screenshot(`walkthrough-${name}-${index + 1}`);
      }
      await workbench.palette('View: Close All Editors');
    });
  }
});
