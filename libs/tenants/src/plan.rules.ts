/** What is done so that a provider has what a file says, for every command that plans and applies. */
export interface PlanEntry {
  /** `unmanaged`: the provider has it, the file does not speak of it. */
  readonly action: 'create' | 'update' | 'unchanged' | 'unmanaged';
  /** For a person. */
  readonly label: string;
  readonly differences: readonly PlanDifference[];
}

export interface PlanDifference {
  readonly field: string;
  /** Undefined where there is nothing yet. */
  readonly from: unknown;
  readonly to: unknown;
}

/** Whether what the provider has is other than what the file asks for; a fault keeps something from being planned. */
export function planHasDrift(entries: readonly Pick<PlanEntry, 'action'>[], faults: readonly string[]): boolean {
  return faults.length > 0 || entries.some(({ action }) => action === 'create' || action === 'update');
}

const marks = { create: '+', update: '~', unchanged: '=', unmanaged: '?' } as const;

/** The plan as a person reads it, a line per entry, difference and fault. */
export function writePlan(heading: string, entries: readonly PlanEntry[], faults: readonly string[]): string {
  const lines = entries.flatMap(({ action, label, differences }) => [
    `${marks[action]} ${action.padEnd(9)} ${label}`,
    ...differences.map(({ field, from, to }) =>
      from === undefined ? `    ${field}: ${show(to)}` : `    ${field}: ${show(from)} -> ${show(to)}`,
    ),
  ]);
  return [heading, ...lines, ...faults.map((fault) => `! ${fault}`)].join('\n');
}

const show = (value: unknown) => JSON.stringify(value ?? null);
