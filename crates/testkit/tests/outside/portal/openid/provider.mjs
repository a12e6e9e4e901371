// The OpenID provider of the test: oidc-provider, which is certified, with people from a file.
//
// Whoever signs in types their id. The file is read each time, so that a test changes who has which groups.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { Provider } from 'oidc-provider';

const { ISSUER, PORT, CERTIFICATE, KEY, CLIENT_SECRET, REDIRECT_URI, PEOPLE } = process.env;
const people = () => JSON.parse(readFileSync(PEOPLE, 'utf8'));
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: 'portward',
      client_secret: CLIENT_SECRET,
      redirect_uris: [REDIRECT_URI],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] },
  scopes: ['openid', 'profile', 'groups'],
  claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
  pkce: { required: () => true },
  cookies: { keys: ['a key of the test'] },
  findAccount: (_, id) => people()[id] && { accountId: id, claims: () => ({ sub: id, ...people()[id] }) },
});

createServer({ cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) }, provider.callback()).listen(
  Number(PORT),
  '127.0.0.1',
);
