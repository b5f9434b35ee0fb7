import { workloadJsonSchemaText } from './json-schema.ts';

// `npm run schema`: its output is `schema/workload.schema.json`.
console.log(workloadJsonSchemaText().trimEnd());
