// Verifies requests with libraries for JavaScript: `node verify.mjs MODULES` reads attempts from standard input, and writes for
// each whether its library accepts it. MODULES is the directory in which the libraries are installed. `verify` calls it.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const require = createRequire(pathToFileURL(`${process.argv[2]}/`));
const { Webhook, WebhookVerificationError } = require("standardwebhooks");
const { createRemoteJWKSet, errors } = await import(pathToFileURL(require.resolve("jose")));

const attempts = JSON.parse(readFileSync(0, "utf8"));
const results = [];
for (const attempt of attempts) {
  results.push(
    attempt.secret
      ? { "standardwebhooks for JavaScript": acceptsHmac(attempt) }
      : { jose: await acceptsEd25519(attempt) },
  );
}
process.stdout.write(JSON.stringify(results));

function acceptsHmac({ secret, body, headers }) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

async function acceptsEd25519({ key_set, body, headers }) {
  const content = new TextEncoder().encode(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
  const ids = headers["webhook-key-id"].split(" ");
  const find = createRemoteJWKSet(new URL(key_set));
  for (const [index, signature] of headers["webhook-signature"].split(" ").entries()) {
    if (!signature.startsWith("v1a,")) continue;
    try {
      const key = await find({ alg: "EdDSA", kid: ids[index] });
      if (await crypto.subtle.verify("Ed25519", key, Buffer.from(signature.slice(4), "base64"), content)) return true;
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
  }
  return false;
}
