import { main } from './main.ts';

// Runs the command line from the sources: `npx tsx src/cli/dev.ts run`. The installed program is bin/fsquake.js.
await main(process.argv);
