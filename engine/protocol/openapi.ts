/** The OpenAPI 3.1 document of the routes table. */
import * as z from 'zod';
import { errorSchema } from './entities.ts';
import { routes } from './routes.ts';

type Json = Record<string, unknown>;

const schema = (type: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(type, { io, unrepresentable: 'any' });
  return rest;
};

const parameters = (shape: z.ZodObject, location: 'path' | 'query'): Json[] =>
  Object.entries(shape.shape).map(([name, type]) => ({
    name,
    in: location,
    required: location === 'path' || !(type as z.ZodType).safeParse(undefined).success,
    schema: schema(type as z.ZodType, 'input'),
  }));

export function openapiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of Object.values(routes)) {
    const path = route.path.replace(/:([a-z]+)/g, '{$1}');
    const hasBody = Object.keys(route.body.shape).length > 0;
    (paths[path] ??= {})[route.method.toLowerCase()] = {
      operationId: route.name,
      summary: route.summary,
      parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
      ...(hasBody
        ? {
            requestBody: {
              required: true,
              content: { 'application/json': { schema: schema(route.body, 'input') } },
            },
          }
        : {}),
      responses: {
        200: {
          description: 'Done, or a job was started.',
          content: { 'application/json': { schema: schema(route.response, 'output') } },
        },
        default: {
          description: 'Refused or failed.',
          content: { 'application/json': { schema: schema(z.object({ error: errorSchema }), 'output') } },
        },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Thin Clones engine', version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: 'http://127.0.0.1', description: 'A unix socket, or loopback TCP when asked for.' }],
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}
