import kafkajs from 'kafkajs';

/** Over when the brokers are back or have agreed again. kafkajs wraps such errors in ones that are not. */
export function isPassing(error: unknown): boolean {
  return error instanceof kafkajs.KafkaJSError && (error.retriable || isPassing(error.cause));
}

/** Kafka's name of the error, e.g. `MESSAGE_TOO_LARGE`; empty when the broker did not send it. */
export function protocolErrorOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('type' in cause && typeof cause.type === 'string') return cause.type;
  }
  return '';
}

const lostMembership = [
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'NOT_COORDINATOR_FOR_GROUP',
  'FENCED_INSTANCE_ID',
];

/** The group no longer counts on this member for its partitions: how a rebalance shows, not a fault. */
export function isMembershipLost(error: unknown): error is Error {
  return lostMembership.includes(protocolErrorOf(error));
}
