/** VS Code's API for the tree of the sources, which lets the benchmark ask the tree's provider as VS Code does. */
import * as vscode from 'vscode';

let captured: vscode.TreeDataProvider<unknown> | undefined;

export function capturedProvider<Element>(): vscode.TreeDataProvider<Element> {
  if (captured === undefined) throw new Error('No tree was made.');
  return captured as vscode.TreeDataProvider<Element>;
}

/** In place of `vscode.window`: somebody looks at the view, and VS Code itself does not draw in between. */
export const window = new Proxy(vscode.window, {
  get(target, name) {
    if (name !== 'createTreeView') return Reflect.get(target, name) as unknown;
    return (_view: string, options: vscode.TreeViewOptions<unknown>) => {
      captured = options.treeDataProvider;
      return { visible: true, selection: [], dispose: () => undefined };
    };
  },
});
