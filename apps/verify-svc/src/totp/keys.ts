import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { KeyRing } from './seal.ts';

const reference = /^([A-Za-z0-9][A-Za-z0-9._-]{0,31})=(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/;

/**
 * `TOTP_KEYS`: `2026-11=env:TOTP_KEY, 2026-05=file:/run/secrets/totp`. Each names a key of 32 bytes in base64 or hex. The
 * first seals; the others only open, until nothing is sealed with them any more.
 */
export const totpKeys = z
  .string()
  .default('')
  .transform((text, context): KeyRing => {
    const ring = new Map<string, Buffer>();
    for (const part of text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean)) {
      const [, id = '', source = ''] = reference.exec(part) ?? [];
      if (id === '')
        context.addIssue({ code: 'custom', message: 'must be id=env:NAME or id=file:/path, comma-separated' });
      else if (ring.has(id)) context.addIssue({ code: 'custom', message: `has the id ${id} twice` });
      else {
        const key = readKey(source);
        if (key) ring.set(id, key);
        else
          context.addIssue({ code: 'custom', message: `the key ${id} is not there, or not 32 bytes in base64 or hex` });
      }
    }
    return ring;
  });

function readKey(source: string): Buffer | undefined {
  const text = (source.startsWith('env:') ? process.env[source.slice(4)] : readText(source.slice(5)))?.trim();
  if (text === undefined) return undefined;
  const key = Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64');
  return key.length === 32 ? key : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Which key it is, is said with the other faults of the environment.
    return undefined;
  }
}
