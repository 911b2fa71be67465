import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';

/** Where a name leads may not be asked. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/**
 * An agent that connects to names only where all their addresses may be asked. They are looked at when the connection is made, so
 * that no name can lead inside by changing its address in between. An address in place of a name is connected to without a look-up:
 * whoever takes URLs from others checks it beforehand.
 */
export function checkedAgent(mayAsk: (address: string) => boolean): Agent {
  const checkedLookup: LookupFunction = (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      const refused = error ?? (addresses.every(({ address }) => mayAsk(address)) ? undefined : refusal(host));
      const [first] = addresses ?? [];
      if (refused || !first) callback(refused ?? refusal(host), []);
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
  return new Agent({
    connect: { lookup: checkedLookup, timeout: 5_000 },
    connections: 50,
    maxHeaderSize: 16_384,
  });
}

const refusal = (host: string): Error => new AddressRefused(`${host} is at an address that may not be asked`);
