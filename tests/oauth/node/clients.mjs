// Clients that nobody here wrote, each with a key, against an exchange: prints one line of JSON for each.
// Usage: node clients.mjs <issuer> <resource> <details or ""> <alg> <client id> <private JWK>
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import * as jose from 'jose';

const [issuer, resource, details, alg, id, jwk] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };
const name = { ES256: { name: 'ECDSA', namedCurve: 'P-256' }, PS256: { name: 'RSA-PSS', hash: 'SHA-256' }, Ed25519: { name: 'Ed25519' } }[alg];
const parsed = JSON.parse(jwk);
const { alg: _a, use: _u, key_ops: _k, kid, ...bare } = parsed;
const privateKey = await crypto.subtle.importKey('jwk', bare, name, false, ['sign']);
const say = (what, more) => console.log(JSON.stringify({ client: what, ...more }));
const parameters = new URLSearchParams({ scope: 'clients:read data:read', ...(details ? { authorization_details: details } : {}) });

async function withOauth4webapi() {
  const at = new URL(issuer);
  const as = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, { algorithm: 'oauth2', ...insecure }));
  const me = { client_id: id };
  const keys = await crypto.subtle.generateKey(name.name === 'RSA-PSS' ? { ...name, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) } : name, false, ['sign', 'verify']);
  const DPoP = oauth.DPoP(me, keys);
  const proveMe = oauth.PrivateKeyJwt({ key: privateKey, kid }, { [oauth.modifyAssertion](h, p) { p.aud = as.issuer; } });
  let challenged = false;
  const ask = async () => {
    const answer = await oauth.clientCredentialsGrantRequest(as, me, proveMe, parameters, { DPoP, ...insecure });
    return oauth.processClientCredentialsResponse(as, me, answer);
  };
  let token;
  try { token = await ask(); } catch (fault) {
    if (!oauth.isDPoPNonceError(fault)) throw fault;
    challenged = true;
    token = await ask();
  }
  const answer = await oauth.protectedResourceRequest(token.access_token, 'GET', new URL(resource), undefined, undefined, { DPoP, ...insecure });
  const jwks = jose.createRemoteJWKSet(new URL(as.jwks_uri));
  const verified = await jose.jwtVerify(token.access_token, jwks, { issuer, typ: 'at+jwt' });
  say('oauth4webapi', { type: token.token_type, status: answer.status, challenged, details: token.authorization_details ?? null, jose: verified.payload.client_id === id });
}

async function withOpenidClient() {
  const proveMe = client.PrivateKeyJwt({ key: privateKey, kid }, { [client.modifyAssertion](h, p) { p.aud = issuer; } });
  const config = await client.discovery(new URL(issuer), id, undefined, proveMe, { algorithm: 'oauth2', execute: [client.allowInsecureRequests] });
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg));
  const token = await client.clientCredentialsGrant(config, parameters, { DPoP });
  const answer = await client.fetchProtectedResource(config, token.access_token, new URL(resource), 'GET', undefined, undefined, { DPoP });
  say('openid-client', { type: token.token_type, status: answer.status, details: token.authorization_details ?? null });
}

await withOauth4webapi();
await withOpenidClient();
