/** The few parts of a DOM element that the driver reads inside the page; the DOM's own types stay out of Node code. */

export interface PageElement {
  readonly id: string;
  readonly textContent: string | null;
  /** Of an input. */
  readonly value?: string;
  readonly placeholder?: string;
  readonly checked?: boolean;
  getAttribute(name: string): string | null;
  closest(selector: string): PageElement | null;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
  getBoundingClientRect(): { readonly top: number };
  getClientRects(): { readonly length: number };
}
