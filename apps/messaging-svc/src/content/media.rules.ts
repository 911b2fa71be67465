import { BlockList, isIP } from 'node:net';

const inside = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  inside.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  inside.addSubnet(network, bits, 'ipv6');
}

/**
 * Why the provider could not, or should not, fetch a media URL; undefined when nothing speaks against it. It is the
 * provider that fetches, so this is no guard for our own network, only for mistakes that would fail there.
 */
export function mediaFault(url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:') return 'is not https';
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const family = isIP(host);
  if (family > 0) return inside.check(host, family === 4 ? 'ipv4' : 'ipv6') ? 'is a private address' : undefined;
  const isLocal = !host.includes('.') || /\.(localhost|local|internal|lan|home\.arpa)$/.test(host);
  return isLocal ? 'is a private host' : undefined;
}
