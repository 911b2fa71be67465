import { describe, expect, it } from '@jest/globals';
import { decompressLz4 } from './lz4.ts';

const states = ['sent', 'delivered', 'failed'];
const at = (n: number) => `2026-11-24T18:00:00.${String(n).padStart(3, '0')}Z`;
const events = Array.from({ length: 40 }, (_, n) => JSON.stringify({ n, status: states[n % 3], at: at(n) }));

// Frames written by lz4 1.9.4, the reference implementation.
const frames = {
  'a match that runs into itself': {
    text: 'ab'.repeat(2_000),
    frame: 'BCJNGGRApxsAAAAvYWICAP///////////////////5VQYmFiYWIAAAAAhzQoIA==',
  },
  'blocks of 64 KiB that refer to each other': {
    text: 'ab'.repeat(100_000),
    frame:
      'BCJNGERAXgwBAAAvYWICAP//////////////////////////////////////////////////////////////////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////////////////' +
      '///////////////////////////////////////////////////////////////mUGJhYmFiDAEAAC9hYgIA////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////////////////' +
      '/////////////////////////+ZQYmFiYWIMAQAAL2FiAgD/////////////////////////////////////////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////////////////' +
      '////////////////////////////////////////////////////////////////////////////////////////5lBiYWJhYhkA' +
      'AAAvYWICAP////////////////8zUGJhYmFiAAAAAIbB6AE=',
  },
  'content size and block checksums': {
    text: events.join('\n'),
    frame:
      'BCJNGHxAOAkAAAAAAABXsgEAAPEpeyJuIjowLCJzdGF0dXMiOiJzZW50IiwiYXQiOiIyMDI2LTExLTI0VDE4OjAwOjAwLjAwMFoi' +
      'fQo4ABcxOACfZGVsaXZlcmVkPQALFTE9ABcyPQBPZmFpbDoADRUyOgAfM68AGhUzOAAfNK8AHxU0PQAfNa8AHBU1OgAfNq8AGhU2' +
      'OAAfN68AHxU3PQAfOK8AHBU4OgAfOa8AGhY5DQIfMLAAHhcxSwIfMbEAGxYxSQIvMTKyABkWMUgCLzEzsgAfBk4CLzE0sgAcBkwC' +
      'LzE1sgAaBksCLzE2sgAfBlECLzE3sgAcBk8CLzE4sgAaBk4CLzE5sgAfBlQCLzIwsgAbFjJRAi8yMbIAGRcymAQfMrIAHhYyVAIv' +
      'MjOyABwGUQIvMjSyABoGTwIvMjWyAB8GVAIvMjayABwGUQIvMjeyABoGTwIvMjiyAB8GVAIvMjmyABwGUQIfM+sGGhYzTwIfM+wG' +
      'HxYzVAIfM+0GHBcz7QYP7gYaFjNPAh8z7wYfFjNUAh8z8AYcFjNRAh8z8QYaFjNPAh8z8gYfFjNUAh8z8wYcFjNRAh8z9AYaUDM5' +
      'WiJ9R3G3VwAAAAASHrbX',
  },
  'a stored block': { text: 'q7#Zp', frame: 'BCJNGGRApwUAAIBxNyNacAAAAADodobA' },
  nothing: { text: '', frame: 'BCJNGGRApwAAAAAFXcwC' },
};

describe('decompressLz4', () => {
  it.each(Object.entries(frames))('reads %s', (_label, { text, frame }) => {
    expect(decompressLz4(Buffer.from(frame, 'base64')).toString()).toBe(text);
  });

  it('refuses what is cut short, at whatever byte', () => {
    const whole = Buffer.from(frames['content size and block checksums'].frame, 'base64');
    const contentChecksum = 4;
    for (let length = 0; length < whole.length - contentChecksum; length++) {
      expect(() => decompressLz4(whole.subarray(0, length))).toThrow();
    }
  });

  it('refuses what is no LZ4 frame', () => {
    expect(() => decompressLz4(Buffer.from('{"n":1}'))).toThrow('not an LZ4 frame');
  });
});
