/** The Node that is brought to hosts: the official program for their platform, from an exact package. */
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openPackages, type PinnedPackage } from '../../packages/packages.ts';

const VERSION = '24.21.0';

const INTEGRITIES: Readonly<Record<string, string>> = {
  'linux-x64':
    'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'linux-arm64':
    'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
};

/** Undefined for a platform that hosts can't have. */
export function pinnedNode(platform: string): PinnedPackage | undefined {
  const integrity = INTEGRITIES[platform];
  return integrity === undefined ? undefined : { specification: `node-${platform}@${VERSION}`, integrity };
}

/**
 * Puts `node` and its `LICENSE` into a folder that is not there yet, whole or not at all. `work` must be there, on the same
 * file system. Errors: `CannotFetch`.
 */
export async function fetchNode(
  pin: PinnedPackage,
  into: string,
  { work: parent, onProgress }: { work: string; onProgress: (message: string) => void },
): Promise<void> {
  await mkdir(parent, { recursive: true });
  const work = await mkdtemp(join(parent, 'fetching-'));
  try {
    const unpacked = await openPackages({ work, onProgress }).npm(pin);
    const made = join(work, 'made');
    await mkdir(made);
    await cp(join(unpacked, 'bin', 'node'), join(made, 'node'));
    await cp(join(unpacked, 'LICENSE'), join(made, 'LICENSE'));
    await rename(made, into);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export const nodeFolder = (platform: string): string => `node-${VERSION}-${platform}`;
