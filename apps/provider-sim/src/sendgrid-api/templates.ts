import { randomUUID } from 'node:crypto';

export interface TemplateVersion {
  readonly id: string;
  readonly template_id: string;
  /** 1 for the one that is sent. */
  active: 0 | 1;
  name: string;
  subject: string;
  html_content: string;
  plain_content: string;
  generate_plain_content: boolean;
  editor: 'code' | 'design';
  test_data: string;
  updated_at: string;
}

export interface Template {
  readonly id: string;
  name: string;
  readonly generation: 'dynamic' | 'legacy';
  updated_at: string;
  readonly versions: TemplateVersion[];
}

export type VersionFields = Partial<Omit<TemplateVersion, 'id' | 'template_id' | 'updated_at'>>;

/** Transactional templates of one account; of the versions of a template one is active at most. */
export class Templates {
  readonly #all = new Map<string, Template>();

  get all(): Template[] {
    return [...this.#all.values()];
  }

  find(id: string): Template | undefined {
    return this.#all.get(id);
  }

  active(id: string): TemplateVersion | undefined {
    return this.#all.get(id)?.versions.find(({ active }) => active === 1);
  }

  create(name: string, generation: Template['generation'], now: Date): Template {
    const id = generation === 'dynamic' ? `d-${randomUUID().replaceAll('-', '')}` : randomUUID();
    const template: Template = { id, name, generation, updated_at: stamp(now), versions: [] };
    this.#all.set(id, template);
    return template;
  }

  rename(template: Template, name: string, now: Date): void {
    template.name = name;
    template.updated_at = stamp(now);
  }

  remove(template: Template): void {
    this.#all.delete(template.id);
  }

  /** The first version of a template is active whatever it says. */
  addVersion(template: Template, fields: VersionFields, now: Date): TemplateVersion {
    const html = fields.html_content ?? '';
    const version: TemplateVersion = {
      id: randomUUID(),
      template_id: template.id,
      name: fields.name ?? '',
      subject: fields.subject ?? '',
      html_content: html,
      plain_content: fields.plain_content ?? plainTextOf(html),
      generate_plain_content: fields.generate_plain_content ?? true,
      editor: fields.editor ?? 'code',
      test_data: fields.test_data ?? '',
      active: 0,
      updated_at: stamp(now),
    };
    template.versions.push(version);
    if (fields.active === 1 || template.versions.length === 1) this.activate(template, version, now);
    return version;
  }

  changeVersion(template: Template, version: TemplateVersion, { active, ...fields }: VersionFields, now: Date): void {
    Object.assign(version, fields, { updated_at: stamp(now) });
    if (active === 1) this.activate(template, version, now);
  }

  activate(template: Template, version: TemplateVersion, now: Date): void {
    for (const other of template.versions) other.active = other === version ? 1 : 0;
    version.updated_at = stamp(now);
    template.updated_at = stamp(now);
  }

  removeVersion(template: Template, version: TemplateVersion): void {
    template.versions.splice(template.versions.indexOf(version), 1);
  }
}

/** `2026-11-24 18:00:00`, as the API writes it. */
const stamp = (now: Date) => now.toISOString().slice(0, 19).replace('T', ' ');

const plainTextOf = (html: string) => html.replace(/<[^>]*>/g, '').trim();
