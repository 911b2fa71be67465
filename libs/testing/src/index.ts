export * from './create-topic.ts';
export * from './eventually.ts';
export * from './test-database.ts';
export * from './test-kafka.ts';
