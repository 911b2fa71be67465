export * from './logger.ts';
export * from './masking.ts';
export * from './metrics.ts';
export * from './tracing.ts';
