import { z } from 'zod';

export const templateName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be the name of a template')
  .meta({ examples: ['order-shipped'] });

const templateView = z
  .object({
    name: templateName,
    version: z.int(),
    variables: z.record(z.string(), z.unknown()).meta({ description: 'JSON Schema of the data it takes' }),
  })
  .meta({ id: 'EmailTemplate' });

export const templateList = z.object({ templates: z.array(templateView) }).meta({ id: 'EmailTemplates' });

export const previewRequest = z
  .object({ data: z.record(z.string(), z.json()).default({}) })
  .meta({ id: 'EmailPreviewRequest' });

export const preview = z
  .object({
    name: templateName,
    version: z.int(),
    subject: z.string(),
    text: z.string(),
    html: z.string().nullable(),
  })
  .meta({ id: 'EmailPreview', description: 'As SendGrid would render it' });
