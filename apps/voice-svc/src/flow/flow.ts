import type { FlowDefinition } from '@signalbox/contracts';
import { DocumentCache } from '../twiml/document.ts';

/** A version of a flow. It never changes; calls that began with it stay with it. */
export interface Flow {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
  readonly definition: FlowDefinition;
  /** Its documents that are the same for every call. */
  readonly documents: DocumentCache;
}

export function makeFlow(flow: Omit<Flow, 'documents'>): Flow {
  return { ...flow, documents: new DocumentCache() };
}
