/**
 * Reads LZ4 frames, which is what Kafka's `lz4` is; kafkajs has no codec for it and we never write it.
 * Source: LZ4 Frame Format 1.6.4 and LZ4 Block Format, github.com/lz4/lz4/tree/dev/doc. Checksums are left to Kafka's own
 * CRC of the batch.
 * @throws RangeError when the bytes are not a complete LZ4 frame.
 */
export function decompressLz4(frame: Buffer): Buffer {
  if (frame.readUInt32LE(0) !== 0x184d2204) throw new RangeError('not an LZ4 frame');
  const flags = frame.readUInt8(4);
  const blockLimit = blockLimits[(frame.readUInt8(5) >> 4) & 0b111];
  if (flags >> 6 !== 1 || blockLimit === undefined) throw new RangeError('unknown version or block size of LZ4');
  if (flags & flag.dictionary) throw new RangeError('LZ4 dictionaries are not supported');
  const blockChecksum = flags & flag.blockChecksum ? 4 : 0;

  let from = flags & flag.contentSize ? 15 : 7;
  // One buffer for all blocks, because a block may repeat what an earlier one held.
  let output = Buffer.allocUnsafe(blockLimit);
  let length = 0;
  for (;;) {
    const header = frame.readUInt32LE(from);
    from += 4;
    if (header === 0) return output.subarray(0, length);
    const to = from + (header & 0x7fffffff);
    if (to > frame.length) throw new RangeError('LZ4 frame ends within a block');
    if (output.length < length + blockLimit) {
      const larger = Buffer.allocUnsafe(Math.max(output.length * 2, length + blockLimit));
      output.copy(larger, 0, 0, length);
      output = larger;
    }
    const stored = header >>> 31 === 1;
    length = stored
      ? length + frame.copy(output, length, from, to)
      : decompressBlock(frame, from, to, output, length, length + blockLimit);
    from = to + blockChecksum;
  }
}

const flag = { blockChecksum: 0x10, contentSize: 0x08, dictionary: 0x01 };

const blockLimits: Readonly<Record<number, number>> = { 4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22 };

const minMatch = 4;

/** Answers where the output ends. */
function decompressBlock(input: Buffer, from: number, to: number, output: Buffer, at: number, limit: number): number {
  const extended = (length: number): number => {
    if (length < 15) return length;
    for (let more = 255; more === 255; length += more) more = input.readUInt8(from++);
    return length;
  };
  while (from < to) {
    const token = input.readUInt8(from++);
    const literals = extended(token >> 4);
    if (from + literals > to || at + literals > limit) throw new RangeError('LZ4 literals exceed their block');
    input.copy(output, at, from, from + literals);
    from += literals;
    at += literals;
    if (from === to) return at;

    const distance = input.readUInt16LE(from);
    from += 2;
    const match = extended(token & 0xf) + minMatch;
    if (distance === 0 || distance > at || at + match > limit) throw new RangeError('LZ4 match exceeds its block');
    if (distance >= match) output.copyWithin(at, at - distance, at - distance + match);
    // A match may run into itself: that is how repetitions are written.
    else for (let i = at; i < at + match; i++) output[i] = output[i - distance] as number;
    at += match;
  }
  throw new RangeError('LZ4 block ends without literals');
}
