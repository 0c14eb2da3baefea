/** The hosts of files that a person said no to, each with the address that the file named: nobody is asked about them again. */
import * as z from 'zod';
import type { Log } from '../ports/log.ts';
import type { KeptText } from '../process/keptText.ts';
import { declinedHostSchema, type DeclinedHost } from '../protocol/entities.ts';
import { toFailure } from '../protocol/errors.ts';
import { formatSshAddress, parseSshAddress } from '../protocol/sshAddress.ts';

const fileSchema = z.object({ format: z.literal(1), declined: z.array(declinedHostSchema) });
/** The oldest go: somebody is asked once more. */
const most = 1000;

export interface DeclinedHosts {
  list(): readonly DeclinedHost[];
  /** Errors: `host_address`. */
  decline(host: DeclinedHost): Promise<void>;
  /** It is wanted after all. */
  forget(host: DeclinedHost): Promise<void>;
}

export async function openDeclinedHosts(file: KeptText, log: Log): Promise<DeclinedHosts> {
  let declined: readonly DeclinedHost[] = [];
  try {
    const text = await file.read();
    if (text !== undefined) declined = fileSchema.parse(JSON.parse(text)).declined;
  } catch (error) {
    // Somebody is asked once more, which harms nobody.
    log.warning('the hosts that were declined can not be read', { problem: toFailure(error).message });
  }
  const save = async (next: readonly DeclinedHost[]): Promise<void> => {
    await file.write(`${JSON.stringify({ format: 1, declined: next }, undefined, 2)}\n`);
    declined = next;
  };
  const others = (host: DeclinedHost): DeclinedHost[] =>
    declined.filter(({ name, address }) => name !== host.name || address !== host.address);
  return {
    list: () => declined,
    decline: (host) => {
      const one = oneWay(host);
      return save([...others(one), one].slice(-most));
    },
    async forget(host) {
      const left = others(oneWay(host));
      if (left.length < declined.length) await save(left);
    },
  };
}

const oneWay = ({ name, address }: DeclinedHost): DeclinedHost => ({
  name,
  address: formatSshAddress(parseSshAddress(address)),
});
