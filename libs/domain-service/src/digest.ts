import { createHash } from 'node:crypto';

/**
 * Tells a repeat from another request under the same idempotency key. Of the request as validated, so that defaults left
 * out and defaults written are the same request; the order of fields does not count, nor does a null.
 */
export function requestDigest(command: object): string {
  return createHash('sha256').update(JSON.stringify(command, sortedKeys)).digest('hex');
}

function sortedKeys(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
