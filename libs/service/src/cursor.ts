import { z } from 'zod';

/** Where a page of a list ended that is in the order of time and id. */
export interface TimeAndId {
  /** RFC 3339 in UTC, to the millisecond. */
  readonly at: string;
  /** A UUID. */
  readonly id: string;
}

export function writeCursor({ at, id }: TimeAndId): string {
  return Buffer.from(`${at} ${id}`).toString('base64url');
}

const form = /^((?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/;

/** Undefined for what {@link writeCursor} cannot have written: a cursor is the caller's to send, and goes into a query. */
export function readCursor(cursor: string): TimeAndId | undefined {
  const [, at, id] = form.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (at === undefined || id === undefined) return undefined;
  const time = new Date(at);
  // Dates that do not exist, such as the 31st of February, come back as others.
  return !Number.isNaN(time.getTime()) && time.toISOString() === at ? { at, id } : undefined;
}

/** `cursor` of a query: read, or a 400. */
export const cursorParameter = z
  .string()
  .max(200)
  .transform((text, context) => {
    const place = readCursor(text);
    if (!place) context.addIssue({ code: 'custom', message: 'is not a nextCursor of this list' });
    return place ?? z.NEVER;
  });
