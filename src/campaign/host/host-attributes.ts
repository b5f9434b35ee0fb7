import { chmodSync, lchownSync, lstatSync, lutimesSync } from 'node:fs';
import { showName } from '../../base/show-name.ts';
import type { FileStatus } from '../../fs/syscalls.ts';
import { onHost } from './host-failure.ts';
import { LinuxCalls, type Xattr } from './linux-calls.ts';
import type { NotCarried } from './not-carried.ts';

/**
 * Gives a file of the host what one in an image has. The owner first: a change of it takes the set-user-id bit and
 * capabilities away; times last. What the host refuses of extended attributes is noted. Throws `HostFailure`.
 */
export function setHostAttributes(
  path: Buffer,
  status: FileStatus,
  xattrs: readonly Xattr[],
  notCarried: NotCarried,
): void {
  const linux = LinuxCalls.load();
  onHost(`owner, mode and times of ${showName(path)} cannot be set`, () => {
    if (process.getuid?.() === 0) lchownSync(path, status.uid, status.gid);
    for (const xattr of xattrs) {
      const refusal = typeof linux === 'string' ? linux : linux.setXattr(path, xattr);
      if (refusal !== null) notCarried.note(xattr.name, refusal);
    }
    if (status.kind !== 'symlink') chmodSync(path, modeFor(path, status));
    if (typeof linux === 'string') {
      lutimesSync(path, secondsOf(status.accessTime), secondsOf(status.modifyTime));
    }
  });
  if (typeof linux !== 'string') {
    linux.setTimes(path, nanosecondsOf(status.accessTime), nanosecondsOf(status.modifyTime));
  }
}

/** Rights of an owner are not handed to somebody else: who is not root may not give a file away. */
function modeFor(path: Buffer, status: FileStatus): number {
  const { uid, gid } = lstatSync(path);
  const isOwners = uid === status.uid && gid === status.gid;
  return status.mode & (isOwners ? 0o7777 : 0o1777);
}

/** As text: Node takes a number below zero, a time before 1970, for one that is wrong, and sets the present. */
function secondsOf(nanoseconds: number): string {
  return String(nanoseconds / 1e9);
}

function nanosecondsOf(time: number): bigint {
  return BigInt(Math.round(time));
}
