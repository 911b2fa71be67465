import type { Kafka } from 'kafkajs';

/** The moments of publishing a batch after which a process can die. */
export const moments = ['sendOffsets', 'sendBatch', 'commit'] as const;
export type Moment = (typeof moments)[number];

type Client = Pick<Kafka, 'producer' | 'admin'>;

/** `kafka`, but in each of its transactions `act` runs right after the broker has done what `moment` says. */
export function after(moment: Moment, kafka: Client, act: () => Promise<void> | void): Client {
  return {
    admin: (config) => kafka.admin(config),
    producer: (config) => {
      const producer = kafka.producer(config);
      return {
        ...producer,
        transaction: async () => {
          const transaction = await producer.transaction();
          const watched: Record<Moment, (argument: never) => Promise<unknown>> = transaction;
          const intercepted = async (argument: never) => {
            const result = await watched[moment](argument);
            await act();
            return result;
          };
          return { ...transaction, [moment]: intercepted };
        },
      };
    },
  };
}
