import { planHasDrift, writePlan } from '@signalbox/tenants';
import type { Template } from './template.rules.ts';

/** A template as SendGrid has it. */
export interface TemplateAtSendgrid {
  readonly id: string;
  readonly name: string;
  /** The name of the version that is sent. */
  readonly active: string | null;
  /** The one of the file's version, if it is there. */
  readonly version: {
    readonly id: string;
    readonly subject: string;
    readonly text: string;
    readonly html: string | null;
  } | null;
}

export interface PlannedTemplate {
  readonly action: 'create' | 'update' | 'unchanged' | 'unmanaged';
  readonly name: string;
  readonly id: string | null;
  /** Of the file's version; null where it has to be made. */
  readonly versionId: string | null;
  readonly differences: readonly { readonly field: string; readonly from: unknown; readonly to: unknown }[];
}

export interface TemplatePlan {
  readonly templates: readonly PlannedTemplate[];
  /** What keeps a template from being planned; nothing is applied while there is one. */
  readonly faults: readonly string[];
}

/** Compares the files with what SendGrid has. A version is never changed: what was sent with it can be looked up. */
export function planTemplates(wanted: readonly Template[], present: readonly TemplateAtSendgrid[]): TemplatePlan {
  const faults: string[] = [];
  const templates: PlannedTemplate[] = [];
  for (const { name, version, source } of wanted) {
    const alike = present.filter((template) => template.name === name);
    const [found] = alike;
    if (alike.length > 1) {
      faults.push(`${name}: SendGrid has ${alike.length} templates of this name`);
      continue;
    }
    if (found?.version && !isSame(found.version, source)) {
      faults.push(`${name}: SendGrid has a v${version} with other content; raise version`);
      continue;
    }
    const isActive = found?.active === `v${version}`;
    templates.push({
      action: !found ? 'create' : isActive ? 'unchanged' : 'update',
      name,
      id: found?.id ?? null,
      versionId: found?.version?.id ?? null,
      differences: isActive ? [] : [{ field: 'active', from: found?.active ?? undefined, to: `v${version}` }],
    });
  }
  const names = new Set(wanted.map(({ name }) => name));
  for (const { name, id } of present) {
    if (!names.has(name)) templates.push({ action: 'unmanaged', name, id, versionId: null, differences: [] });
  }
  return { templates, faults };
}

function isSame(there: NonNullable<TemplateAtSendgrid['version']>, source: Template['source']): boolean {
  return there.subject === source.subject && there.text === source.text && there.html === source.html;
}

export function hasDrift({ templates, faults }: TemplatePlan): boolean {
  return planHasDrift(templates, faults);
}

export function describePlan(tenant: string, { templates, faults }: TemplatePlan): string {
  const entries = templates.map(({ action, name, id, differences }) => ({
    action,
    label: `${name}${id === null ? '' : ` ${id}`}`,
    differences,
  }));
  return writePlan(`templates of ${tenant}:`, entries, faults);
}
