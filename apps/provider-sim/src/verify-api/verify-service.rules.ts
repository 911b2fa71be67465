import type { Form } from '../messages-api/message-request.rules.ts';

/** What a Verify service is set to; a create begins from `defaultSettings`, an update from what there is. */
export interface ServiceSettings {
  friendlyName: string;
  codeLength: number;
  lookupEnabled: boolean;
  psd2Enabled: boolean;
  skipSmsToLandlines: boolean;
  dtmfInputRequired: boolean;
  ttsName: string | null;
  doNotShareWarningEnabled: boolean;
  customCodeEnabled: boolean;
  defaultTemplateSid: string | null;
  verifyEventSubscriptionEnabled: boolean;
  totp: { issuer: string | null; timeStep: number; codeLength: number; skew: number };
}

export type SettingsReading = { ok: true; settings: ServiceSettings } | { ok: false; code: number; detail: string };

export const defaultSettings: ServiceSettings = {
  friendlyName: '',
  codeLength: 6,
  lookupEnabled: false,
  psd2Enabled: false,
  skipSmsToLandlines: false,
  dtmfInputRequired: true,
  ttsName: null,
  doNotShareWarningEnabled: false,
  customCodeEnabled: false,
  defaultTemplateSid: null,
  verifyEventSubscriptionEnabled: false,
  totp: { issuer: null, timeStep: 30, codeLength: 6, skew: 1 },
};

/** Twilio's errors and its OpenAPI description disagree (30, 32); the lower one passes both. */
const MAX_FRIENDLY_NAME = 30;

/** Reads the form of a create or an update over the settings there were; names the first parameter that is wrong. */
export function readSettings(
  form: Form,
  before: ServiceSettings,
  templates: readonly { sid: string }[],
): SettingsReading {
  const faults: string[] = [];
  const text = (name: string) => {
    const value = form[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const flag = (name: string, otherwise: boolean) => {
    const value = text(name);
    if (value === undefined) return otherwise;
    if (!/^(true|false)$/i.test(value)) faults.push(name);
    return value.toLowerCase() === 'true';
  };
  const whole = (name: string, least: number, most: number, otherwise: number) => {
    const value = text(name);
    if (value === undefined) return otherwise;
    if (!/^\d{1,4}$/.test(value) || +value < least || +value > most) faults.push(name);
    return Number(value);
  };
  const friendlyName = text('FriendlyName') ?? before.friendlyName;
  if (friendlyName.trim() === '' || friendlyName.length > MAX_FRIENDLY_NAME) faults.push('FriendlyName');
  const settings: ServiceSettings = {
    friendlyName,
    codeLength: whole('CodeLength', 4, 10, before.codeLength),
    lookupEnabled: flag('LookupEnabled', before.lookupEnabled),
    psd2Enabled: flag('Psd2Enabled', before.psd2Enabled),
    skipSmsToLandlines: flag('SkipSmsToLandlines', before.skipSmsToLandlines),
    dtmfInputRequired: flag('DtmfInputRequired', before.dtmfInputRequired),
    ttsName: text('TtsName') ?? before.ttsName,
    doNotShareWarningEnabled: flag('DoNotShareWarningEnabled', before.doNotShareWarningEnabled),
    customCodeEnabled: flag('CustomCodeEnabled', before.customCodeEnabled),
    defaultTemplateSid: text('DefaultTemplateSid') ?? before.defaultTemplateSid,
    verifyEventSubscriptionEnabled: flag('VerifyEventSubscriptionEnabled', before.verifyEventSubscriptionEnabled),
    totp: {
      issuer: text('Totp.Issuer') ?? before.totp.issuer,
      timeStep: whole('Totp.TimeStep', 20, 60, before.totp.timeStep),
      codeLength: whole('Totp.CodeLength', 3, 8, before.totp.codeLength),
      skew: whole('Totp.Skew', 0, 2, before.totp.skew),
    },
  };
  if (settings.skipSmsToLandlines && !settings.lookupEnabled) faults.push('SkipSmsToLandlines');
  if (faults[0] !== undefined) return { ok: false, code: 60200, detail: faults[0] };
  const { defaultTemplateSid } = settings;
  if (defaultTemplateSid !== null && !templates.some(({ sid }) => sid === defaultTemplateSid))
    return { ok: false, code: 60228, detail: 'DefaultTemplateSid' };
  return { ok: true, settings };
}
