import { flowDefinition } from '@signalbox/contracts';
import { Periodic } from '@signalbox/domain-service';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { within } from '../session/within.ts';
import { type Flow, makeFlow } from './flow.ts';

const everyMs = 1_000;
const maxKept = 2_000;

const keyOf = (tenant: string, name: string) => `${tenant}/${name}`;

/**
 * The flows in memory: callers do not wait for the database to know what they are to hear. What is active is looked up every
 * second; while the database is away, what was known stays.
 */
@Injectable()
export class FlowBook implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #versions = new Map<string, Flow>();
  readonly #looking: Periodic;
  readonly #db: DataSource;
  readonly #patienceMs: number;
  #active: ReadonlyMap<string, number> = new Map();

  constructor(@Inject(DataSource) db: DataSource, @Inject(CONFIG) config: VoiceConfig, @Inject(LOGGER) log: Logger) {
    this.#db = db;
    this.#patienceMs = config.STEP_PATIENCE_MS;
    this.#looking = new Periodic('flows', everyMs, log, async () => {
      await this.refresh();
      return false;
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.#looking.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.#looking.stop();
  }

  /** What new calls begin with. */
  async active(tenant: string, name: string): Promise<Flow | undefined> {
    const known = this.#active.get(keyOf(tenant, name));
    if (known !== undefined) return this.version(tenant, name, known);
    // Stored a moment ago, perhaps through another replica.
    const [row] = await this.#query<{ active_version: number }>(
      'select active_version from flows where tenant = $1 and name = $2',
      [tenant, name],
    );
    return row && this.version(tenant, name, row.active_version);
  }

  async version(tenant: string, name: string, version: number): Promise<Flow | undefined> {
    const key = `${keyOf(tenant, name)}/${version}`;
    const known = this.#versions.get(key);
    if (known) return known;
    const [row] = await this.#query<{ definition: unknown }>(
      'select definition from flow_versions where tenant = $1 and name = $2 and version = $3',
      [tenant, name, version],
    );
    if (!row) return undefined;
    const flow = makeFlow({ tenant, name, version, definition: flowDefinition.parse(row.definition) });
    if (this.#versions.size >= maxKept) this.#versions.delete(this.#versions.keys().next().value ?? key);
    this.#versions.set(key, flow);
    return flow;
  }

  async refresh(): Promise<void> {
    const rows = await this.#query<{ tenant: string; name: string; active_version: number }>(
      'select tenant, name, active_version from flows',
      [],
    );
    for (const { tenant, name, active_version } of rows) await this.version(tenant, name, active_version);
    this.#active = new Map(rows.map(({ tenant, name, active_version }) => [keyOf(tenant, name), active_version]));
  }

  #query<Row>(sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    return within(this.#patienceMs, this.#db.query<Row[]>(sql, [...parameters]));
  }
}
