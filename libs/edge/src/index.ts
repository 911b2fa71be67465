export {
  type Accounts,
  authenticate,
  type Content,
  diagnose,
  type RefusedCallback,
  tenantOf,
  type UnverifiedCallback,
  type VerifiedCallback,
} from './authenticate.ts';
export { closeUnread } from './close-unread.ts';
export { claimedUrls, PublicUrl } from './public-url.ts';
export { callbacks, type Refusal, type RefusalCause, Refusals } from './refusals.ts';
export { networkOf } from './source-limit.rules.ts';
