/** Which rows of a long list are on the screen, and where: every row has the same height, only those in sight exist. */

/** Browsers stop at about 33.5 million pixels (2^25, in LayoutUnit); a longer list is scrolled proportionally. */
const tallest = 16_000_000;

export interface RowWindow {
  /** The first row to draw, and the first not to draw. */
  readonly first: number;
  readonly end: number;
  /** Where the first row starts, in pixels below the upper edge of the viewport; negative above it. */
  readonly offset: number;
}

export interface Viewport {
  readonly rows: number;
  readonly rowHeight: number;
  /** Pixels of the list that are in sight. */
  readonly height: number;
}

/** Pixels that the scrolled content takes. */
export function contentHeight({ rows, rowHeight }: Viewport): number {
  return Math.min(rows * rowHeight, tallest);
}

/** Where the upper edge of the viewport is in the list, in pixels as if it were not shortened. */
function listTop(viewport: Viewport, scrollTop: number): number {
  const real = viewport.rows * viewport.rowHeight;
  const content = contentHeight(viewport);
  const most = Math.max(0, real - viewport.height);
  if (content === real) return Math.min(Math.max(0, scrollTop), most);
  const share = Math.min(1, Math.max(0, scrollTop / (content - viewport.height)));
  return share * most;
}

export function rowWindow(viewport: Viewport, scrollTop: number, overscan = 8): RowWindow {
  const { rows, rowHeight, height } = viewport;
  const top = listTop(viewport, scrollTop);
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const end = Math.min(rows, Math.ceil((top + height) / rowHeight) + overscan);
  return { first, end, offset: first * rowHeight - top };
}

/** The first row whose upper edge is in sight. */
export function topRow(viewport: Viewport, scrollTop: number): number {
  return Math.ceil(listTop(viewport, scrollTop) / viewport.rowHeight);
}

/** Where to scroll to so that a row is the first or the last in sight. */
export function scrollTopFor(viewport: Viewport, row: number, edge: 'top' | 'bottom'): number {
  const { rows, rowHeight, height } = viewport;
  const real = rows * rowHeight;
  const content = contentHeight(viewport);
  const wanted = edge === 'top' ? row * rowHeight : (row + 1) * rowHeight - height;
  const most = Math.max(0, real - height);
  const top = Math.min(Math.max(0, wanted), most);
  return content === real || most === 0 ? top : (top / most) * (content - height);
}

/** Where to scroll to so that a row is in sight; the same place when it is already. */
export function scrollTopToReveal(viewport: Viewport, row: number, scrollTop: number): number {
  const top = listTop(viewport, scrollTop);
  if (row * viewport.rowHeight < top) return scrollTopFor(viewport, row, 'top');
  if ((row + 1) * viewport.rowHeight > top + viewport.height) return scrollTopFor(viewport, row, 'bottom');
  return scrollTop;
}
