import type { BuildOptions } from 'esbuild';

export function webviewTarget(outdir: string): BuildOptions;
