export { twilioClient, type TwilioClientOptions } from './client.ts';
export { TwilioApiError, TwilioTransportError } from './errors.ts';
export { catalogue, describeFailure, type CataloguedError, type FailureClass } from './error-catalogue.ts';
export { diagnoseSignature, type Evidence, type SignatureDiagnosis } from './diagnosis.ts';
export { parseForm, type FormFault, type FormParams, type ParsedForm } from './form.ts';
export {
  checkSignature,
  sign,
  type SignatureAlgorithm,
  type SignatureCheck,
  type SignedContent,
  type SignedRequest,
  type SignatureFault,
} from './signature.ts';
export {
  documentOverrides,
  publicBaseUrlFault,
  readStatusCallback,
  statusCallbackUrl,
  voiceCallbackUrl,
  voiceFlowUrl,
  type CallbackReference,
} from './callback-url.ts';
export { outcomeOfError } from './outcome.rules.ts';
export { parseJson, type ParsedJson } from './json.ts';
export {
  callingCodeOf,
  countryOfNumber,
  toE164,
  type PhoneNumberFault,
  type PhoneNumberResult,
} from './phone-number.ts';
export {
  describePlan,
  hasDrift,
  type PlannedService,
  type ServiceAtTwilio,
  type VerifyPlan,
} from './verify-services/plan.rules.ts';
export { verifyServiceSid, VerifyServiceUnknown } from './verify-services/service-sids.ts';
export { applyVerifyServices, type AppliedService, planVerifyServices } from './verify-services/verify-services.ts';
