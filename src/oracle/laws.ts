import { blockGroups } from './block-groups.ts';
import { dataLaw } from './data.ts';
import { discard } from './discard.ts';
import { errorsLaw } from './errors.ts';
import { extentMapsLaw } from './extent-maps.ts';
import { type OpenContents, rememberingContents, withUnicodePaths } from './image-contents.ts';
import type { Law } from './law.ts';
import { locks } from './locks.ts';
import { replication } from './replication.ts';
import { scrub } from './scrub.ts';
import { openImage } from './structure/open-image.ts';
import { structure } from './structure.ts';

/** How all laws read images. */
export const OPEN_CONTENTS: OpenContents = rememberingContents((images) => {
  const reader = openImage(images);
  return reader === null ? null : withUnicodePaths(reader);
});

/** Every law, in the order in which they are reported. */
export const LAWS: readonly Law[] = [
  errorsLaw(OPEN_CONTENTS),
  dataLaw(OPEN_CONTENTS),
  extentMapsLaw(OPEN_CONTENTS),
  structure,
  replication,
  blockGroups,
  scrub,
  discard,
  locks,
];
