/**
 * The only importer of @vscode/webview-ui-toolkit, which is archived upstream: pages get plain elements from here, so that
 * another library, or none, can take its place by changing this file. Only what pages use is registered.
 * Its styles go into constructable style sheets, which a `style-src` without 'unsafe-inline' allows.
 */
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeProgressRing,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { icon, type IconName } from './shared/icons.ts';

/** Call once, before the first component is made. */
export function registerComponents(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeProgressRing(), vsCodeTextField());
}

export interface ButtonOptions {
  readonly label: string;
  readonly look: 'primary' | 'secondary' | 'icon';
  readonly icon?: IconName;
  readonly onPress: () => void;
}

export interface Button {
  readonly element: HTMLElement;
  setDisabled(disabled: boolean): void;
}

/** With `look: 'icon'` the label is the tooltip and the name for screen readers. */
export function button(options: ButtonOptions): Button {
  const element = document.createElement('vscode-button');
  element.setAttribute('appearance', options.look);
  element.setAttribute('aria-label', options.label);
  if (options.look === 'icon') element.title = options.label;
  else element.textContent = options.label;
  if (options.icon !== undefined) {
    const symbol = icon(options.icon);
    if (options.look !== 'icon') symbol.slot = 'start';
    element.prepend(symbol);
  }
  element.addEventListener('click', () => {
    if (!element.hasAttribute('disabled')) options.onPress();
  });
  return { element, setDisabled: (disabled) => void element.toggleAttribute('disabled', disabled) };
}

export function progressRing(label: string): HTMLElement {
  const element = document.createElement('vscode-progress-ring');
  element.setAttribute('aria-label', label);
  return element;
}

export interface TextField {
  readonly element: HTMLElement;
  value: string;
  focus(): void;
}

export function textField(options: {
  readonly label: string;
  readonly placeholder: string;
  readonly icon: IconName;
  readonly onInput: (value: string) => void;
}): TextField {
  const element = document.createElement('vscode-text-field') as HTMLElement & { value: string };
  // The component calls itself "Text field" when it is put into the page, which happens in this turn.
  queueMicrotask(() => element.setAttribute('aria-label', options.label));
  element.setAttribute('placeholder', options.placeholder);
  element.setAttribute('maxlength', '1000');
  const symbol = icon(options.icon);
  symbol.slot = 'start';
  element.append(symbol);
  element.addEventListener('input', () => options.onInput(element.value));
  return {
    element,
    get value() {
      return element.value;
    },
    set value(value) {
      element.value = value;
    },
    focus: () => element.focus(),
  };
}
