import { BlockList, isIP } from 'node:net';

/**
 * Addresses that are not on the public internet, or lead to one that need not be. Source: IANA, special-purpose address
 * registries for IPv4 and IPv6.
 */
const special = listOf([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]);

export type AddressKind = 'public' | 'allowed' | 'refused';

/** @param allowed made by {@link listOf}: what of the special addresses may be asked */
export function kindOfAddress(address: string, allowed: BlockList): AddressKind {
  const plain = /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? address;
  const version = isIP(plain);
  if (version === 0) return 'refused';
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (allowed.check(plain, family)) return 'allowed';
  // Another way to write a mapped address.
  if (family === 'ipv6' && /^(?:0*:)*:?ffff:/i.test(plain)) return 'refused';
  return special.check(plain, family) ? 'refused' : 'public';
}

/** @param ranges CIDR, or single addresses */
export function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
