// The certified npm oidc-provider as an authorization server for machines: private_key_jwt, DPoP, a resource, JWT tokens.
// Usage: node provider.mjs <port> <clients as JSON>
import Provider, { errors } from 'oidc-provider';

const [port, clients] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const API = 'urn:example:api';
const FAPI = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];
const provider = new Provider(issuer, {
  clients: JSON.parse(clients),
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['api'],
  clientAuthMethods: ['private_key_jwt', 'client_secret_basic'],
  responseTypes: ['code'],
  enabledJWA: { clientAuthSigningAlgValues: FAPI, dPoPSigningAlgValues: FAPI },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    fapi: { enabled: true, profile: '2.0' },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => {
        if (resource !== API) throw new errors.InvalidTarget();
        return { scope: 'api', audience: API, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
      },
    },
  },
  jwks: { keys: [await key()] },
});

async function key() {
  const { exportJWK, generateKeyPair } = await import('jose');
  const pair = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(pair.privateKey)), alg: 'ES256', use: 'sig', kid: 'one' };
}

provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
