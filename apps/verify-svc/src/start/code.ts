import { randomInt } from 'node:crypto';

/** A code of so many digits, each equally likely. */
export function makeCode(digits: number): string {
  return Array.from({ length: digits }, () => randomInt(10)).join('');
}
