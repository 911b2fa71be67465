import { z } from 'zod';

/**
 * What a person does on the phone, one step per prompt: presses keys, speaks, stays silent until the prompt gives up,
 * waits so many seconds of the call, or hangs up. Whoever has no step left stays silent, and on the line.
 */
export const script = z.array(
  z.union([
    z.strictObject({ press: z.string().min(1) }),
    z.strictObject({ say: z.string().min(1), confidence: z.number().min(0).max(1).default(0.9) }),
    z.strictObject({ silence: z.literal(true) }),
    z.strictObject({ wait: z.number().min(0) }),
    z.strictObject({ hangup: z.literal(true) }),
  ]),
);

export type ScriptStep = z.output<typeof script>[number];
