import { flowName, timestamp } from '@signalbox/contracts';
import { z } from 'zod';

const version = z.int().min(1);

export const flowVersion = z
  .object({
    name: flowName,
    version,
    createdAt: timestamp,
    createdBy: z.string().meta({ description: 'Name of the API token, or "file"' }),
    active: z.boolean().meta({ description: 'New calls begin with it' }),
  })
  .meta({ id: 'FlowVersion' });

export const storedFlow = flowVersion
  .extend({ definition: z.unknown().meta({ description: 'As it was written' }) })
  .meta({ id: 'StoredFlow' });

export const putResult = flowVersion
  .extend({ isNew: z.boolean().meta({ description: 'False: this version had the same content' }) })
  .meta({ id: 'PutFlow' });

export const flowList = z.object({ flows: z.array(flowVersion) }).meta({ id: 'FlowList' });

export const flowHistory = z
  .object({
    versions: z.array(flowVersion),
    activations: z.array(z.object({ version, at: timestamp, by: z.string() })),
  })
  .meta({ id: 'FlowHistory' });

export const versionQuery = z.object({ version: z.coerce.number().int().min(1).max(2_147_483_647).optional() });
export const putQuery = z.object({
  activate: z.enum(['true', 'false']).default('true').meta({ description: 'Whether new calls begin with it at once' }),
});
export const activation = z.object({ version: version.max(2_147_483_647) }).meta({ id: 'FlowActivation' });

/** The name, or the name with .mmd for its picture. */
export const nameParam = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}(\.mmd)?$/, 'must be lower-case letters, digits and hyphens');
export const plainNameParam = flowName;
