import { TextDecoder } from 'node:util';
import iconv from 'iconv-lite';

/**
 * Decodes what an email's author's program wrote. The platform's decoders first; iconv-lite for the DOS and Mac code pages
 * that mail still has and the Encoding Standard does not, e.g. cp850. Never throws: what has no valid reading gets U+FFFD.
 * @param options.cut the bytes may end in the middle of a character, which is then left out
 */
export function decodeText(
  bytes: Uint8Array,
  charset: string | undefined,
  { cut = false }: { cut?: boolean } = {},
): string {
  const label = charset?.trim().toLowerCase();
  const decoder = label ? platformDecoder(label) : undefined;
  if (decoder) return decoder.decode(bytes, { stream: cut });
  if (label && !notCharsets.has(label) && iconv.encodingExists(label)) return iconv.decode(Buffer.from(bytes), label);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut });
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** iconv-lite knows these too, but they are transfer encodings. */
const notCharsets = new Set(['base64', 'hex']);

function platformDecoder(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label);
  } catch {
    return undefined;
  }
}
