import type { FlowNode } from '@signalbox/contracts';

/** A way from one node to another. */
export interface Edge {
  /** Field of the node it is written in: `next`, `choices.1`. */
  readonly branch: string;
  readonly to: string;
  /** `caller`: only when the caller does something; `counted`: so many times and no more. */
  readonly by: 'itself' | 'caller' | 'counted';
}

/** Every way on from a node; a branch that defaults to another one is not repeated. */
export function edgesOf(node: FlowNode): Edge[] {
  const edge = (branch: string, to: string | undefined, by: Edge['by'] = 'itself'): Edge[] =>
    to === undefined ? [] : [{ branch, to, by }];
  switch (node.type) {
    case 'say':
    case 'play':
    case 'voicemail':
    case 'conference':
    case 'send-sms':
    case 'set':
      return edge('next', node.next);
    case 'record':
      return [...edge('next', node.next), ...edge('nothing', node.nothing)];
    case 'gather':
      return [
        ...edge('next', node.next, 'caller'),
        ...edge('noInput', node.noInput),
        ...edge('noMatch', node.noMatch, 'caller'),
      ];
    case 'menu':
      return [
        ...Object.entries(node.choices).flatMap(([key, choice]) =>
          edge(`choices.${key}`, typeof choice === 'string' ? choice : choice.next, 'caller'),
        ),
        ...edge('noInput', node.noInput),
        ...edge('noMatch', node.noMatch, 'caller'),
      ];
    case 'consent':
      return [...edge('granted', node.granted, 'caller'), ...edge('denied', node.denied)];
    case 'dial':
      return [
        ...edge('next', node.next, 'caller'),
        ...edge('noAnswer', node.noAnswer),
        ...edge('busy', node.busy),
        ...edge('failed', node.failed),
      ];
    case 'agent':
      return [...edge('next', node.next, 'caller'), ...edge('empty', node.empty)];
    case 'queue':
      return [
        ...edge('next', node.next, 'caller'),
        ...edge('full', node.full),
        ...edge('timeout', node.timeout),
        ...edge('failed', node.failed),
      ];
    case 'http':
      return [...edge('next', node.next), ...edge('fallback', node.fallback)];
    case 'hours':
      return [...edge('open', node.open), ...edge('closed', node.closed), ...edge('holiday', node.holiday)];
    case 'branch':
      return [
        ...Object.entries(node.cases).flatMap(([value, to]) => edge(`cases.${value}`, to)),
        ...edge('otherwise', node.otherwise),
      ];
    case 'count':
      return [...edge('next', node.next, 'counted'), ...edge('exceeded', node.exceeded)];
    case 'hangup':
      return [];
  }
}
