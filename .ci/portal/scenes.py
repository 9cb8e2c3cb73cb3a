"""Organizations with endpoints, events and deliveries, made by the API, and receivers for them."""
import json
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECONDS = 30


class Deployment:
    def __init__(self, data):
        credentials = json.loads((Path(data) / "credentials.json").read_text())
        self.base, self.platform_key = credentials["base_url"], credentials["platform_key"]
        self.organizations = 0

    def call(self, key, method, path, body=None):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text)["data"] if text else None

    def tenant(self, name="Acme"):
        self.organizations += 1
        slug = f"{name.lower().replace(' ', '-')}-{self.organizations}-{time.time_ns()}"
        organization = self.call(self.platform_key, "POST", "/v1/organizations", {"name": name, "slug": slug})["id"]
        api = f"/v1/organizations/{organization}"
        key = self.call(self.platform_key, "POST", f"{api}/api-keys", {"name": "first"})["revealed_key"]
        return Tenant(self, organization, key)

    def event_type(self, name, **settings):
        """Describes a type in the catalogue, which all checks share, unless it is there."""
        if name not in [known["name"] for known in self.call(self.platform_key, "GET", "/v1/event-types?limit=100")]:
            self.call(self.platform_key, "POST", "/v1/event-types", {"name": name, **settings})

    def operator_link(self, **session):
        return self.call(self.platform_key, "POST", "/v1/portal-sessions", session)["url"]


class Tenant:
    def __init__(self, deployment, organization, key):
        self.deployment, self.id, self.key = deployment, organization, key
        self.home = f"{deployment.base}/portal/{organization}"

    def call(self, method, path, body=None):
        return self.deployment.call(self.key, method, f"/v1/organizations/{self.id}{path}", body)

    def link(self, role="owner", **session):
        return self.call("POST", "/portal-sessions", {"role": role, **session})["url"]

    def endpoint(self, url, *types, **fields):
        body = {"name": "Orders", "url": url, "event_types": list(types) or ["*"], **fields}
        return self.call("POST", "/webhooks/endpoints", body)["id"]

    def publish(self, event_type, data, **fields):
        return self.call("POST", "/events", {"type": event_type, "data": data, **fields})

    def delivery(self, event, status):
        """The id of an event's first delivery, when it has this status."""
        deadline = time.monotonic() + SECONDS
        while True:
            delivery = self.call("GET", f"/events/{event['id']}")["webhook_deliveries"][0]
            if delivery["status"] == status:
                return delivery["id"]
            assert time.monotonic() < deadline, f"the delivery is {delivery['status']}, not {status}"
            time.sleep(0.1)


class Receiver:
    """A receiver whose responses can be changed."""

    def __init__(self, status=200, body=""):
        self.status, self.body, self.received = status, body, []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.received.append(self.rfile.read(int(self.headers["content-length"])))
                body = receiver.body.encode()
                self.send_response(receiver.status)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/hooks"
