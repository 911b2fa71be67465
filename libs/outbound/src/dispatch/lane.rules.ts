import type { Lane } from '@signalbox/contracts';

/** The most urgent first; a lane is stored as its place in here. */
export const lanes: readonly Lane[] = ['critical', 'transactional', 'bulk'];

export function laneNumber(lane: Lane | undefined): number {
  return lanes.indexOf(lane ?? 'bulk');
}

export function laneOf(number: number): Lane {
  return lanes[number] ?? 'bulk';
}
