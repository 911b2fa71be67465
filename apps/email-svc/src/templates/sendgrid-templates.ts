import { type SendgridClient, sendgridClient } from '@signalbox/sendgrid';
import type { Tenant } from '@signalbox/tenants';
import type { TemplateAtSendgrid, TemplatePlan } from './plan.rules.ts';
import type { Template } from './template.rules.ts';

interface TemplatePage {
  readonly result: readonly {
    readonly id: string;
    readonly name: string;
    readonly versions?: readonly { readonly id: string; readonly name: string; readonly active: number }[];
  }[];
  readonly _metadata?: { readonly next?: string };
}

interface VersionBody {
  readonly id: string;
  readonly subject: string;
  readonly plain_content: string;
  readonly html_content: string;
}

/** The most that SendGrid returns. */
const pageSize = 200;

async function listTemplates(client: SendgridClient): Promise<TemplatePage['result'][number][]> {
  const all: TemplatePage['result'][number][] = [];
  let token: string | null = '';
  while (token !== null) {
    const query = new URLSearchParams({
      generations: 'dynamic',
      page_size: String(pageSize),
      ...(token && { page_token: token }),
    });
    const page: TemplatePage = await client.call<TemplatePage>({
      method: 'GET',
      path: `/v3/templates?${query.toString()}`,
    });
    all.push(...page.result);
    const next = page._metadata?.next;
    token = next === undefined ? null : new URL(next, 'https://api.sendgrid.com').searchParams.get('page_token');
  }
  return all;
}

/** What SendGrid has of the templates of these names, with the content of the versions that matter. */
export async function readTemplates(
  client: SendgridClient,
  wanted: readonly Pick<Template, 'name' | 'version'>[],
): Promise<TemplateAtSendgrid[]> {
  const versionOf = new Map(wanted.map(({ name, version }) => [name, version]));
  return Promise.all(
    (await listTemplates(client)).map(async ({ id, name, versions = [] }) => {
      const found = versions.find((version) => version.name === versionName(versionOf.get(name) ?? 0));
      const body =
        found && (await client.call<VersionBody>({ method: 'GET', path: `/v3/templates/${id}/versions/${found.id}` }));
      return {
        id,
        name,
        active: versions.find(({ active }) => active === 1)?.name ?? null,
        version: body
          ? { id: body.id, subject: body.subject, text: body.plain_content, html: body.html_content || null }
          : null,
      };
    }),
  );
}

export function versionName(version: number): string {
  return `v${version}`;
}

/** Makes SendGrid's templates so; tells of each step that was taken. */
export async function applyTemplates(
  client: SendgridClient,
  { templates }: TemplatePlan,
  wanted: ReadonlyMap<string, Template>,
  told: (line: string) => void,
): Promise<void> {
  for (const { action, name, id, versionId } of templates) {
    const template = wanted.get(name);
    if (!template || (action !== 'create' && action !== 'update')) continue;
    let at = id;
    if (at === null) {
      const body = { name, generation: 'dynamic' };
      at = (await client.call<{ id: string }>({ method: 'POST', path: '/v3/templates', body })).id;
      told(`created ${name} ${at}`);
    }
    if (versionId === null) {
      const { subject, text, html } = template.source;
      const body = {
        name: versionName(template.version),
        subject,
        plain_content: text,
        ...(html !== null && { html_content: html }),
        generate_plain_content: false,
        editor: 'code',
        active: 1,
      };
      await client.call({ method: 'POST', path: `/v3/templates/${at}/versions`, body });
    } else {
      await client.call({ method: 'POST', path: `/v3/templates/${at}/versions/${versionId}/activate` });
    }
    told(`activated ${name} ${versionName(template.version)}`);
  }
}

/** How long ids are believed: a template that was deleted and made anew has another one. */
const freshMs = 60_000;

interface Known {
  readonly ids: Promise<ReadonlyMap<string, string>>;
  readonly at: number;
}

/** A reload that changes the tenant makes a new object of it, whose ids are read anew. */
const known = new WeakMap<Tenant, Known>();

/**
 * The id of a template at SendGrid by its name; undefined when the account has none of that name.
 * @throws SendgridApiError, SendgridTransportError of the look-up, which the next call makes again
 */
export async function templateIdOf(
  tenant: Tenant,
  name: string,
  options: { readonly timeoutMs: number },
): Promise<string | undefined> {
  const now = performance.now();
  let read = known.get(tenant);
  if (!read || now - read.at > freshMs) {
    const ids = listTemplates(sendgridClient(tenant, options)).then(
      (all) => new Map(all.map((template) => [template.name, template.id])),
    );
    const started = { ids, at: now };
    read = started;
    known.set(tenant, started);
    ids.then(
      (all) => {
        // What is not there yet is looked for again soon: somebody is about to apply it.
        if (!all.has(name) && known.get(tenant) === started) known.delete(tenant);
      },
      () => known.get(tenant) === started && known.delete(tenant),
    );
  }
  const ids = await read.ids;
  if (!ids.has(name) && known.get(tenant) === read) known.delete(tenant);
  return ids.get(name);
}
