import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';
import { readTemplateDirectory, type TemplateFiles } from './template-directory.ts';
import type { Template } from './template.rules.ts';

/** The templates of TEMPLATES_DIR, as they were when the service started. */
@Injectable()
export class Templates implements OnModuleInit {
  #files: TemplateFiles = new Map();

  constructor(
    @Inject(CONFIG) private readonly config: Pick<EmailConfig, 'TEMPLATES_DIR'>,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
  ) {}

  /** @throws TemplateDirectoryError */
  async onModuleInit(): Promise<void> {
    const { TEMPLATES_DIR: directory } = this.config;
    if (directory === undefined) return;
    this.#files = await readTemplateDirectory(directory, (name) => this.tenants.byName(name) !== undefined);
  }

  find(tenant: string, name: string): Template | undefined {
    return this.#files.get(tenant)?.get(name);
  }

  of(tenant: string): Template[] {
    return [...(this.#files.get(tenant)?.values() ?? [])];
  }
}
