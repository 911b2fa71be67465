/** Where a call is in its flow. Small, because it travels in every URL that Twilio is given. */
export interface FlowState {
  /** The node whose document the caller is at. */
  readonly node: string;
  /** How many documents the call was given, this one included; the next request answers it. */
  readonly step: number;
  /** How often the node was answered wrongly or not at all. */
  readonly attempts: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly consented: boolean;
  /** How often a count node was passed. */
  readonly counts: Readonly<Record<string, number>>;
  /** Nothing follows. */
  readonly ended: boolean;
  /** How much of what happened was told in events: they are numbered by it. */
  readonly marked: number;
}
