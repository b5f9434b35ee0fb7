import { dataLaw } from './data.ts';
import { errorsLaw } from './errors.ts';
import { extentMapsLaw } from './extent-maps.ts';
import { type OpenContents, rememberingContents } from './image-contents.ts';
import type { Law } from './law.ts';
import { locks } from './locks.ts';

/** How all laws read images. */
export const OPEN_CONTENTS: OpenContents = rememberingContents(() => null);

/** Every law, in the order in which they are reported. */
export const LAWS: readonly Law[] = [
  errorsLaw(OPEN_CONTENTS),
  dataLaw(OPEN_CONTENTS),
  extentMapsLaw(OPEN_CONTENTS),
  locks,
];
