// An OpenID provider by other people (npm oidc-provider): tokens of client credentials, JWT and opaque.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { PORT, KEYS, FOLDER } = process.env;
const require = createRequire(`${FOLDER}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  jwks: JSON.parse(KEYS),
  cookies: { keys: ["only for tests"] },
  clients: ["shop", "other"].map((name) => ({
    client_id: name,
    client_secret: `${name}-secret-0123456789abcdef`,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: "ES256",
  })),
  extraTokenClaims: (ctx, token) => ({ sub: token.clientId }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: "read",
        audience: resource,
        accessTokenTTL: 600,
        accessTokenFormat: resource.startsWith("urn:opaque:") ? "opaque" : "jwt",
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});
provider.listen(Number(PORT), "127.0.0.1", () => console.log("ready"));
