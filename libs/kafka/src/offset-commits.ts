import { GroupCommit } from '@signalbox/group-commit';
import type { EachBatchPayload, OffsetsByTopicPartition } from 'kafkajs';

interface Commit {
  readonly topic: string;
  readonly partition: number;
  /** Of the next record to be read. */
  readonly offset: bigint;
  readonly through: Pick<EachBatchPayload, 'commitOffsetsIfNecessary'>;
}

/** Commits the offsets of partitions that get done at the same time in one request. */
export class OffsetCommits {
  readonly #commits = new GroupCommit<Commit, undefined>(async (commits) => {
    await commits[0]?.through.commitOffsetsIfNecessary(requestOf(commits));
    return commits.map(() => undefined);
  });

  async commit(commit: Commit): Promise<void> {
    await this.#commits.add(commit);
  }
}

function requestOf(commits: readonly Commit[]): OffsetsByTopicPartition {
  const topics = Map.groupBy(commits, ({ topic }) => topic);
  return {
    topics: [...topics].map(([topic, of]) => {
      return { topic, partitions: of.map(({ partition, offset }) => ({ partition, offset: String(offset) })) };
    }),
  };
}
