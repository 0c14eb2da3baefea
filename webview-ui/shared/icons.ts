/** The icons that pages use, drawn by VS Code's icon font; icons.css has their characters. */

export type IconName =
  | 'account'
  | 'arrow-down'
  | 'calendar'
  | 'check'
  | 'chevron-down'
  | 'chevron-right'
  | 'circle-outline'
  | 'circle-slash'
  | 'clock'
  | 'copy'
  | 'discard'
  | 'error'
  | 'info'
  | 'layers'
  | 'loading'
  | 'pass'
  | 'search'
  | 'warning';

/** An icon says nothing to screen readers: the text beside it does. */
export function icon(name: IconName): HTMLElement {
  const element = document.createElement('span');
  element.className = `icon icon-${name}`;
  element.setAttribute('aria-hidden', 'true');
  return element;
}

export function changeIcon(element: HTMLElement, name: IconName): void {
  element.className = `icon icon-${name}`;
}
