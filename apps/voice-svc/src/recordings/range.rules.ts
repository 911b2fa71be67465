/** A part of something that is `size` bytes long, both ends included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a `Range` header asks for. Undefined: the whole, because it asks for nothing, for several parts, or in a unit or form
 * that we do not know, which may be answered with the whole (RFC 9110, 14.2). `unsatisfiable`: it begins after the end.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const asked = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (!asked || (!asked[1] && !asked[2])) return undefined;
  // `-500`: the last 500 bytes.
  if (!asked[1]) {
    const last = Number(asked[2]);
    return last === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - last), end: size - 1 };
  }
  const start = Number(asked[1]);
  const end = asked[2] ? Math.min(Number(asked[2]), size - 1) : size - 1;
  if (asked[2] && Number(asked[2]) < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end };
}
