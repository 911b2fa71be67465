import type { Tenant } from '@signalbox/tenants';
import type { Twilio } from 'twilio';
import { type ManagedValues, planServices, type ServiceAtTwilio, type VerifyPlan } from './plan.rules.ts';

/** What `apply` did to one service. */
export interface AppliedService {
  readonly action: 'created' | 'updated' | 'deleted';
  readonly name: string | null;
  readonly sid: string;
}

/**
 * What of the account's Verify services is other than `verify.services` of the tenant file asks for.
 * @param client of that tenant
 * @throws TwilioApiError, TwilioTransportError
 */
export async function planVerifyServices(tenant: Tenant, client: Twilio): Promise<VerifyPlan> {
  const wanted = tenant.verify?.services ?? {};
  const needsTemplates = Object.values(wanted).some(({ template }) => template !== undefined);
  const [present, templates] = await Promise.all([
    client.verify.v2.services.list(),
    needsTemplates ? client.verify.v2.templates.list() : [],
  ]);
  return planServices(wanted, present.map(readService), templates);
}

/**
 * Makes the account so. Each service is one call, so that an apply that breaks off goes on where it was when it is run again.
 * @throws TypeError when the plan has faults; TwilioApiError, TwilioTransportError
 */
export async function applyVerifyServices(
  plan: VerifyPlan,
  client: Twilio,
  options: { readonly deleteUnmanaged?: boolean } = {},
): Promise<AppliedService[]> {
  if (plan.faults.length > 0) throw new TypeError(`a plan with faults is not applied: ${plan.faults.join('; ')}`);
  const { services } = client.verify.v2;
  const applied: AppliedService[] = [];
  for (const { action, name, friendlyName, sid, differences } of plan.services) {
    const values = parametersOf(Object.fromEntries(differences.map(({ field, to }) => [field, to])));
    if (action === 'create') {
      const created = await services.create({ ...values, friendlyName });
      applied.push({ action: 'created', name, sid: created.sid });
    } else if (action === 'update' && sid !== null) {
      await services(sid).update(values);
      applied.push({ action: 'updated', name, sid });
    } else if (action === 'unmanaged' && sid !== null && options.deleteUnmanaged) {
      await services(sid).remove();
      applied.push({ action: 'deleted', name, sid });
    }
  }
  return applied;
}

type ServiceInstance = Awaited<ReturnType<Twilio['verify']['v2']['services']['list']>>[number];

function readService(service: ServiceInstance): ServiceAtTwilio {
  return {
    sid: service.sid,
    friendlyName: service.friendlyName,
    codeLength: service.codeLength,
    customCode: service.customCodeEnabled,
    template: service.defaultTemplateSid,
    doNotShareWarning: service.doNotShareWarningEnabled,
    lookup: service.lookupEnabled,
    skipSmsToLandlines: service.skipSmsToLandlines,
    pressKeyForCall: service.dtmfInputRequired,
    events: service.verifyEventSubscriptionEnabled,
  };
}

/** Our words → those of the SDK. */
function parametersOf({ template, ...values }: ManagedValues) {
  return {
    ...(values.friendlyName !== undefined && { friendlyName: values.friendlyName }),
    ...(values.codeLength !== undefined && { codeLength: values.codeLength }),
    ...(values.customCode !== undefined && { customCodeEnabled: values.customCode }),
    ...(template !== undefined && template !== null && { defaultTemplateSid: template }),
    ...(values.doNotShareWarning !== undefined && { doNotShareWarningEnabled: values.doNotShareWarning }),
    ...(values.lookup !== undefined && { lookupEnabled: values.lookup }),
    ...(values.skipSmsToLandlines !== undefined && { skipSmsToLandlines: values.skipSmsToLandlines }),
    ...(values.pressKeyForCall !== undefined && { dtmfInputRequired: values.pressKeyForCall }),
    ...(values.events !== undefined && { verifyEventSubscriptionEnabled: values.events }),
  };
}
