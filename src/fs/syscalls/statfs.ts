import type { Task } from '../../task/task.ts';
import { type FilesystemStatistics, statisticsOf } from '../file/filesystem-statistics.ts';
import type { MountedFilesystem } from '../filesystem.ts';

export type { FilesystemStatistics };

/** How large the file system is and what is left, in blocks, as Linux counts. */
export function* statfs(fs: MountedFilesystem): Task<FilesystemStatistics> {
  return statisticsOf(fs.info);
}
