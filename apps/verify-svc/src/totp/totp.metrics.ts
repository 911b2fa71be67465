import { counter, gauge } from '@signalbox/telemetry';

export const totpChecks = counter(
  'signalbox_verify_totp_checks_total',
  'Codes of authenticators: approved, recovery_code, wrong, replayed, locked, no_factor',
  ['result'],
);
export const totpFactors = gauge(
  'signalbox_verify_totp_factors',
  'Enrolled authenticators by state and by the key that seals them; the same in every replica',
  ['state', 'key'],
);
