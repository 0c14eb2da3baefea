/** Which rows of a long list are drawn. */
import assert from 'node:assert/strict';
import {
  contentHeight,
  rowWindow,
  scrollTopFor,
  scrollTopToReveal,
  topRow,
} from '../../../webview-ui/shared/rowWindow.ts';

const short = { rows: 10, rowHeight: 20, height: 400 };
const long = { rows: 100_000, rowHeight: 20, height: 400 };
const huge = { rows: 5_000_000, rowHeight: 20, height: 400 };

describe('The window of rows', () => {
  it('is the whole list when it fits', () => {
    assert.deepEqual(rowWindow(short, 0), { first: 0, end: 10, offset: 0 });
    assert.equal(contentHeight(short), 200);
  });

  it('is empty for an empty list', () => {
    assert.deepEqual(rowWindow({ ...short, rows: 0 }, 0), { first: 0, end: 0, offset: 0 });
  });

  it('is the rows in sight and a few around them, however long the list', () => {
    const { first, end, offset } = rowWindow(long, 10_010, 8);
    assert.deepEqual([first, end], [492, 529]);
    assert.equal(offset, 492 * 20 - 10_010);
  });

  it('ends with the last row at the end of the list, also of one that is taller than a browser allows', () => {
    for (const viewport of [long, huge]) {
      const bottom = contentHeight(viewport) - viewport.height;
      const { end, first, offset } = rowWindow(viewport, bottom);
      assert.equal(end, viewport.rows);
      assert.ok(Math.abs(offset + (end - first) * viewport.rowHeight - viewport.height) < 0.01);
    }
    assert.ok(contentHeight(huge) <= 16_000_000);
  });

  it('draws some 40 rows at every place of a list of five million', () => {
    for (let scrollTop = 0; scrollTop <= contentHeight(huge) - 400; scrollTop += 31_337) {
      const { first, end, offset } = rowWindow(huge, scrollTop);
      assert.ok(end - first <= 38 && end - first >= 28, `${first} to ${end}`);
      assert.ok(offset <= 0 && offset + (end - first) * 20 >= 400);
    }
  });

  it('brings a row to the upper or the lower edge', () => {
    for (const viewport of [long, huge]) {
      for (const row of [0, 5, 1234, viewport.rows - 1]) {
        const { first, offset } = rowWindow(viewport, scrollTopFor(viewport, row, 'bottom'), 0);
        const lowerEdge = offset + (row - first + 1) * 20;
        assert.ok(lowerEdge <= 400.01 && lowerEdge > 0, `${row}: ${lowerEdge}`);
      }
      assert.equal(Math.round(topRow(viewport, scrollTopFor(viewport, 1234, 'top'))), 1234);
    }
  });

  it('stays where it is when the row is in sight already', () => {
    assert.equal(scrollTopToReveal(long, 505, 10_000), 10_000);
    assert.equal(scrollTopToReveal(long, 499, 10_000), 9_980);
    assert.equal(scrollTopToReveal(long, 520, 10_000), 10_020);
  });
});
