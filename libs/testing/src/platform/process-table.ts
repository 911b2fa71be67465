import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface ProcessInfo {
  readonly pid: number;
  readonly command: string;
}

/**
 * Something that tells this process from a later one with the same id: the time it was started, in the system's own
 * words. Undefined when there is no such process.
 */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // The command in parentheses may contain anything; field 22 is counted from behind it. A zombie no longer runs.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  }
  const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim() || undefined;
}

/** As far as this user may see; empty when the system does not tell. */
export async function processesListeningOn(port: number): Promise<ProcessInfo[]> {
  const pids = process.platform === 'linux' ? await linuxListeners(port) : await lsofListeners(port);
  return Promise.all(pids.map(async (pid) => ({ pid, command: await commandOf(pid) })));
}

async function lsofListeners(port: number): Promise<number[]> {
  const { stdout } = await run('lsof', ['-t', '-sTCP:LISTEN', `-iTCP:${port}`]).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter(Boolean).map(Number);
}

async function linuxListeners(port: number): Promise<number[]> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const listening = '0A';
  const sockets = new Set(
    tables
      .flatMap((table) => table.split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(`:${hexPort}`) && fields[3] === listening)
      .map((fields) => `socket:[${fields[9]}]`),
  );
  if (sockets.size === 0) return [];
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const owners = await Promise.all(
    pids.map(async (pid) => {
      const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
      const targets = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
      return targets.some((target) => sockets.has(target)) ? [Number(pid)] : [];
    }),
  );
  return owners.flat();
}

async function commandOf(pid: number): Promise<string> {
  const { stdout } = await run('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  const command = stdout.trim();
  return command.length > 80 ? `${command.slice(0, 79)}…` : command || 'unknown';
}
