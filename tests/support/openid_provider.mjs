// An OpenID Connect provider of the npm package `oidc-provider`, in the folder that is the first
// argument. It prints its URL. Anybody signs in, with any password.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, redirect, secret] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(join(folder, 'lib/index.js')));
const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'flashnotify', client_secret: secret, redirect_uris: [redirect] }],
    pkce: { required: () => true },
    claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({
        sub, name: 'Ada Lovelace', groups: ['it'], email: 'ada@univ.example', email_verified: true,
      }),
    }),
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
