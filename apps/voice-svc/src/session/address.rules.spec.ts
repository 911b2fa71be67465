import { expect, it } from '@jest/globals';
import { kindOfAddress, listOf } from './address.rules.ts';

const allowed = listOf(['10.1.0.0/16', '192.168.7.7', 'fd00:1::/32']);

it.each([
  ['93.184.216.34', 'public'],
  ['2606:4700::1111', 'public'],
  ['::ffff:93.184.216.34', 'public'],
  ['10.1.2.3', 'allowed'],
  ['::ffff:10.1.2.3', 'allowed'],
  ['192.168.7.7', 'allowed'],
  ['fd00:1::5', 'allowed'],
  ['10.2.2.3', 'refused'],
  ['127.0.0.1', 'refused'],
  ['0.0.0.0', 'refused'],
  ['169.254.169.254', 'refused'],
  ['172.31.255.255', 'refused'],
  ['100.64.0.1', 'refused'],
  ['192.168.7.8', 'refused'],
  ['::1', 'refused'],
  ['::', 'refused'],
  ['fe80::1', 'refused'],
  ['fd00:2::5', 'refused'],
  ['64:ff9b::7f00:1', 'refused'],
  ['2002:7f00:1::', 'refused'],
  ['::ffff:7f00:1', 'refused'],
  ['::7f00:1', 'refused'],
  ['no address', 'refused'],
])('%s is %s', (address, kind) => {
  expect(kindOfAddress(address, allowed)).toBe(kind);
});
