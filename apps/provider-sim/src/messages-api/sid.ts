import { randomUUID } from 'node:crypto';

/** A new SID: the prefix and 32 hex digits. Node draws the randomness of UUIDs in bulk, which is what makes this cheap. */
export const newSid = (prefix: string): string => prefix + randomUUID().replaceAll('-', '');
