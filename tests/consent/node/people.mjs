// The certified npm oidc-provider as the login of a town: anybody logs in by name, and the name is their citizen number.
// Usage: node people.mjs <port> <redirect URI> <client secret>
import Provider from 'oidc-provider';

const [port, redirectUri, secret] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'datahub', client_secret: secret, redirect_uris: [redirectUri] }],
  claims: { openid: ['sub', 'citizen_number'] },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: `s-${id}`, citizen_number: id }) }),
});

provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
