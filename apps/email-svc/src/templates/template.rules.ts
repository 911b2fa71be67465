import type { Failure } from '@signalbox/contracts';
import { z } from 'zod';
import { compile, parse, type Render } from './engine.ts';
import { faultsOf } from './references.rules.ts';

const fixture = z.strictObject({
  name: z.string().min(1).max(100),
  data: z.record(z.string(), z.json()),
  /** What the subject has to be. */
  subject: z.string().optional(),
  /** What text and HTML have to contain. */
  contains: z.array(z.string()).default([]),
});

const templateFile = z.strictObject({
  version: z.int().min(1).max(1_000_000),
  subject: z.string().min(1).max(255),
  text: z.string().min(1).max(500_000),
  html: z.string().min(1).max(500_000).optional(),
  /** JSON Schema of the data that a request has to bring. */
  variables: z.looseObject({ type: z.literal('object'), required: z.array(z.string()).optional() }),
  fixtures: z.array(fixture).default([]),
});

export type Fixture = z.output<typeof fixture>;

/** A template as its file has it, ready to be rendered. */
export interface Template {
  readonly name: string;
  /** Raised with every change: SendGrid keeps the earlier ones. */
  readonly version: number;
  readonly source: { readonly subject: string; readonly text: string; readonly html: string | null };
  /** JSON Schema. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly fixtures: readonly Fixture[];
  /** What is wrong with data, by path; empty when it can be rendered. */
  readonly missing: (data: object) => DataFault[];
  readonly render: (data: object) => Rendered;
}

export interface DataFault {
  readonly path: readonly (string | number)[];
  readonly detail: string;
}

export interface Rendered {
  readonly subject: string;
  readonly text: string;
  readonly html: string | null;
}

export type TemplateRead = { readonly template: Template } | { readonly faults: readonly string[] };

/** What a file's decoded YAML says; all that is wrong with it at once. */
export function readTemplate(name: string, written: unknown): TemplateRead {
  const file = templateFile.safeParse(written);
  if (!file.success) {
    return { faults: file.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`) };
  }
  const { version, subject, text, html, variables, fixtures } = file.data;
  const faults: string[] = [];
  const part = (place: string, source: string): Render => {
    try {
      const render = compile(source);
      const wrong = faultsOf(parse(source), variables, place === 'html');
      faults.push(...wrong.map((fault) => `${place}: ${fault}`));
      return render;
    } catch (error) {
      faults.push(`${place}: ${error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)}`);
      return () => '';
    }
  };
  const renderSubject = part('subject', subject);
  const renderText = part('text', text);
  const renderHtml = html === undefined ? undefined : part('html', html);
  const schema = schemaOf(variables, faults);
  if (faults.length > 0 || !schema) return { faults };
  const template: Template = {
    name,
    version,
    source: { subject, text, html: html ?? null },
    variables,
    fixtures,
    missing: (data) => {
      const { error } = schema.safeParse(data);
      return (error?.issues ?? []).map(({ path, message }) => ({
        path: path.map((step) => (typeof step === 'symbol' ? String(step) : step)),
        detail: message,
      }));
    },
    render: (data) => ({
      subject: renderSubject(data),
      text: renderText(data),
      html: renderHtml ? renderHtml(data) : null,
    }),
  };
  return { template };
}

function schemaOf(variables: Readonly<Record<string, unknown>>, faults: string[]): z.ZodType | undefined {
  try {
    return z.fromJSONSchema(variables);
  } catch (error) {
    faults.push(`variables: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** What a template's fixtures find; empty when all is as they say. */
export function testTemplate({
  fixtures,
  missing,
  render,
}: Pick<Template, 'fixtures' | 'missing' | 'render'>): string[] {
  return fixtures.flatMap(({ name, data, subject, contains }) => {
    const faults = missing(data);
    if (faults.length > 0) return faults.map(({ path, detail }) => `${name}: ${path.join('.')}: ${detail}`);
    const rendered = render(data);
    return [
      ...(subject !== undefined && rendered.subject !== subject
        ? [`${name}: the subject is ${JSON.stringify(rendered.subject)}`]
        : []),
      ...contains.flatMap((part) => [
        ...(rendered.text.includes(part) ? [] : [`${name}: the text has no ${JSON.stringify(part)}`]),
        ...(rendered.html === null || rendered.html.includes(part)
          ? []
          : [`${name}: the HTML has no ${JSON.stringify(part)}`]),
      ]),
    ];
  });
}

/** In `templateId` of an email: a template of ours, whose id at SendGrid is found when it is handed over. */
const prefix = 'template:';

export function templateReference(name: string): string {
  return `${prefix}${name}`;
}

/** Undefined for an id of SendGrid's. */
export function templateNameOf(templateId: string | null): string | undefined {
  return templateId?.startsWith(prefix) ? templateId.slice(prefix.length) : undefined;
}

export function unknownTemplate(name: string): Failure {
  return {
    code: 'template_unknown',
    class: 'configuration',
    title: `There is no template ${name}`,
    remedy: 'Put it into TEMPLATES_DIR, or send with templateId',
  };
}

/** So many faults are named; the rest is found in the same way. */
const namedFaults = 20;

export function missingData(name: string, faults: readonly DataFault[]): Failure {
  const named = faults.slice(0, namedFaults).map(({ path, detail }) => `${path.join('.') || 'the data'}: ${detail}`);
  return {
    code: 'template_data',
    class: 'terminal',
    title: `The data does not fit the template ${name}: ${named.join('; ')}`.slice(0, 2_000),
    remedy: 'Send all variables the template declares; POST /v1/templates/:name/preview shows the result',
  };
}
