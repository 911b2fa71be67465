import { planHasDrift, type VerifyService, writePlan } from '@signalbox/tenants';

/** A Verify service as Twilio has it, as far as the tenant file can say. */
export interface ServiceAtTwilio {
  readonly sid: string;
  readonly friendlyName: string;
  readonly codeLength: number;
  readonly customCode: boolean;
  /** SID of the default template. */
  readonly template: string | null;
  readonly doNotShareWarning: boolean;
  readonly lookup: boolean;
  readonly skipSmsToLandlines: boolean;
  readonly pressKeyForCall: boolean;
  readonly events: boolean;
}

/** What of a service is compared, and set. */
export type ManagedField = Exclude<keyof ServiceAtTwilio, 'sid'>;
export type ManagedValues = Partial<Pick<ServiceAtTwilio, ManagedField>>;

export interface Difference {
  readonly field: ManagedField;
  /** Undefined where the service is not there yet. */
  readonly from: ServiceAtTwilio[ManagedField] | undefined;
  readonly to: ServiceAtTwilio[ManagedField];
}

/** What becomes of one service; `unmanaged`: Twilio has it, the tenant file does not speak of it. */
export interface PlannedService {
  readonly action: 'create' | 'update' | 'unchanged' | 'unmanaged';
  /** In the tenant file; null for an unmanaged one. */
  readonly name: string | null;
  readonly friendlyName: string;
  readonly sid: string | null;
  readonly differences: readonly Difference[];
}

export interface VerifyPlan {
  readonly services: readonly PlannedService[];
  /** What keeps a service from being planned; nothing is applied while there is one. */
  readonly faults: readonly string[];
}

const managedFields = [
  'friendlyName',
  'codeLength',
  'customCode',
  'template',
  'doNotShareWarning',
  'lookup',
  'skipSmsToLandlines',
  'pressKeyForCall',
  'events',
] as const satisfies readonly ManagedField[];

/** Compares what the tenant file asks for with what Twilio has. */
export function planServices(
  wanted: Readonly<Record<string, VerifyService>>,
  present: readonly ServiceAtTwilio[],
  templates: readonly { readonly sid: string; readonly friendlyName: string }[],
): VerifyPlan {
  const faults: string[] = [];
  const services: PlannedService[] = [];
  const claimed = new Set<string>();
  for (const [name, service] of Object.entries(wanted)) {
    const match = matchOf(service, present);
    if ('fault' in match) {
      faults.push(`${name}: ${match.fault}`);
      continue;
    }
    if (match.found && claimed.has(match.found.sid)) {
      faults.push(`${name}: ${match.found.sid} is another entry's service already`);
      continue;
    }
    const template = templateOf(service.template, templates);
    if (template === undefined) {
      faults.push(`${name}: there is no template ${service.template}`);
      continue;
    }
    if (match.found) claimed.add(match.found.sid);
    services.push(planned(name, { ...service, template: template ?? undefined }, match.found));
  }
  for (const { sid, friendlyName } of present)
    if (!claimed.has(sid)) services.push({ action: 'unmanaged', name: null, friendlyName, sid, differences: [] });
  return { services, faults };
}

/** Whether what Twilio has is other than what the tenant file asks for. */
export function hasDrift({ services, faults }: VerifyPlan): boolean {
  return planHasDrift(services, faults);
}

/** The service of an entry: that of its SID, else the only one of its name. */
export function matchOf<Present extends Pick<ServiceAtTwilio, 'sid' | 'friendlyName'>>(
  { sid, friendlyName }: Pick<VerifyService, 'sid' | 'friendlyName'>,
  present: readonly Present[],
): { readonly found: Present | undefined } | { readonly fault: string } {
  if (sid !== undefined) {
    const found = present.find((service) => service.sid === sid);
    return found ? { found } : { fault: `the account has no service ${sid}` };
  }
  const alike = present.filter((service) => service.friendlyName === friendlyName);
  return alike.length > 1
    ? { fault: `${alike.length} services are called ${friendlyName}: give its sid` }
    : { found: alike[0] };
}

function planned(name: string, service: VerifyService, found: ServiceAtTwilio | undefined): PlannedService {
  const differences = managedFields.flatMap((field): Difference[] => {
    const to = service[field];
    return to === undefined || to === found?.[field] ? [] : [{ field, from: found?.[field], to }];
  });
  return {
    action: !found ? 'create' : differences.length > 0 ? 'update' : 'unchanged',
    name,
    friendlyName: service.friendlyName ?? found?.friendlyName ?? '',
    sid: found?.sid ?? null,
    differences,
  };
}

/** Its SID; null when none is asked for, undefined when there is none of that name. */
function templateOf(
  asked: string | undefined,
  templates: readonly { readonly sid: string; readonly friendlyName: string }[],
): string | null | undefined {
  if (asked === undefined) return null;
  return templates.find(({ sid, friendlyName }) => sid === asked || friendlyName === asked)?.sid;
}

/** The plan as a person reads it, a line per service and per difference. */
export function describePlan(tenant: string, { services, faults }: VerifyPlan): string {
  const entries = services.map(({ action, name, friendlyName, sid, differences }) => ({
    action,
    label: `${name ?? '-'} "${friendlyName}"${sid === null ? '' : ` ${sid}`}`,
    differences,
  }));
  return writePlan(`verify services of ${tenant}:`, entries, faults);
}
