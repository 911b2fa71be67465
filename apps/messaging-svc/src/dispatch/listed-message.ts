/** A message of the provider's list, with what is needed to recognise it. */
export interface ListedMessage {
  readonly sid: string;
  readonly to: string;
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  readonly body: string;
  readonly status: string;
  readonly createdAt: Date;
}
