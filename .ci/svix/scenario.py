"""Uses the Svix-compatible API of a running local host with the `svix` package of PyPI, unmodified: 2.x or 1.x.

`scenario.py DATA` is called by `.ci/run sdk`. It is a program written for that service: only the server's URL and the token
differ.
"""
import base64
import json
import queue
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import svix
from svix.api import Svix, SvixOptions
from svix.webhooks import Webhook, WebhookVerificationError

IS_OLD = version("svix").startswith("1.")
SECONDS = 30


def main(data):
    credentials = json.loads((Path(data) / "credentials.json").read_text())
    url, received = receiver()
    client = Svix(credentials["platform_key"], SvixOptions(server_url=credentials["base_url"]))
    suffix = str(time.time_ns())
    app = applications(client, f"python-{suffix}")
    endpoint = endpoints(client, app, url)
    message = messages(client, app, endpoint, received)
    attempts(client, app, endpoint, message)
    operational(client, app)
    statistics(client, app)
    secrets(client, app, endpoint, received)
    change_to_ed25519(client, app, endpoint, received)
    errors(client, app)
    client.application.delete(app.id)
    raises(404, lambda: client.application.get(app.id))
    print(f"sdk: svix {version('svix')} of PyPI, all operations are as expected")


def applications(client, uid):
    app = client.application.create(model("ApplicationIn", name="Python", uid=uid, metadata={"a": "b"}))
    equal(app.uid, uid)
    equal(client.application.get_or_create(model("ApplicationIn", name="Python", uid=uid)).id, app.id)
    equal(client.application.get(uid).id, app.id)
    update = client.application.update if IS_OLD else client.application.upsert
    equal(update(uid, model("ApplicationIn", name="Renamed", uid=uid)).name, "Renamed")
    equal(client.application.patch(uid, model("ApplicationPatch", name="Patched")).name, "Patched")
    others = [client.application.create(model("ApplicationIn", name=f"{number}")).id for number in range(5)]
    everything = walk(client.application.list, "ApplicationListOptions", [])
    assert set(others) | {app.id} <= set(everything), everything
    for other in others:
        client.application.delete(other)
    return app


def endpoints(client, app, url):
    created = client.endpoint.create(app.id, model(
        "EndpointIn", url=url, uid="main", description="Main", channels=["emea"], metadata={"a": "b"}, version=1))
    equal((created.uid, created.description, created.channels, created.disabled), ("main", "Main", ["emea"], False))
    equal(client.endpoint.get(app.id, "main").id, created.id)
    update = model("EndpointUpdate", "EndpointIn", url=url, description="Other", version=1)
    change = client.endpoint.update if hasattr(client.endpoint, "update") else client.endpoint.upsert
    equal(change(app.id, "main", update).description, "Other")
    patched = client.endpoint.patch(app.id, "main", model("EndpointPatch", disabled=True))
    equal(patched.disabled, True)
    equal(client.endpoint.patch(app.id, "main", model("EndpointPatch", disabled=False)).disabled, False)
    others = [client.endpoint.create(app.id, model("EndpointIn", url=url, disabled=True, version=1)).id
              for _ in range(3)]
    everything = walk(client.endpoint.list, "EndpointListOptions", [app.id])
    equal(sorted(everything), sorted([created.id, *others]))
    for other in others:
        client.endpoint.delete(app.id, other)
    headers = headers_of(client)
    headers["update"](app.id, "main", model("EndpointHeadersIn", headers={"X-One": "1", "Authorization": "Basic x"}))
    headers["patch"](app.id, "main", model("EndpointHeadersPatchIn", headers={"X-Two": "2"}))
    shown = headers["get"](app.id, "main")
    equal((shown.headers, shown.sensitive), ({"X-One": "1", "X-Two": "2"}, ["Authorization"]))
    return created


def headers_of(client):
    endpoint = client.endpoint
    update = next(getattr(endpoint, name) for name in ["set_headers", "update_headers", "headers_update"]
                  if hasattr(endpoint, name))
    return {"update": update, "patch": endpoint.patch_headers, "get": endpoint.get_headers}


def messages(client, app, endpoint, received):
    secret = client.endpoint.get_secret(app.id, endpoint.id).key
    message = client.message.create(app.id, model(
        "MessageIn", event_type="order.paid", event_id="evt-1", payload={"name": "Zoë ☕"}))
    request = received.get(timeout=SECONDS)
    equal((request["headers"]["svix-id"], request["headers"]["x-one"]), (message.id, "1"))
    equal(json.loads(request["body"]), {"name": "Zoë ☕"})
    verify(secret, request, True)
    verify(secret, {**request, "body": request["body"] + " "}, False)
    verify("whsec_" + "a" * 32, request, False)
    equal(client.message.get(app.id, "evt-1").id, message.id)
    for number in range(4):
        client.message.create(app.id, model("MessageIn", event_type="order.listed", payload={"number": number}))
        received.get(timeout=SECONDS)
    everything = walk(client.message.list, "MessageListOptions", [app.id])
    equal((len(everything), everything[-1]), (5, message.id))
    options = model("MessageListOptions", event_types=["order.paid"], before=now() + timedelta(hours=1),
                    after=now() - timedelta(hours=1))
    equal([found.id for found in client.message.list(app.id, options).data], [message.id])
    raises(409, lambda: client.message.create(app.id, model(
        "MessageIn", event_type="order.paid", event_id="evt-1", payload={})))
    return message


def attempts(client, app, endpoint, message):
    api = client.message_attempt
    # The attempt is recorded after the receiver has answered.
    eventually(lambda: len(api.list_by_msg(app.id, message.id).data) == 1)
    attempt = api.list_by_msg(app.id, message.id).data[0]
    equal((attempt.status, attempt.endpoint_id, attempt.response_status_code), (0, endpoint.id, 204))
    equal(api.get(app.id, message.id, attempt.id).id, attempt.id)
    eventually(lambda: len(api.list_by_endpoint(app.id, endpoint.id).data) == 5)
    everything = walk(api.list_by_endpoint, "MessageAttemptListByEndpointOptions", [app.id, endpoint.id])
    assert attempt.id in everything, everything
    equal([found.id for found in api.list_attempted_destinations(app.id, message.id).data], [endpoint.id])
    attempted = walk(api.list_attempted_messages, "MessageAttemptListAttemptedMessagesOptions", [app.id, endpoint.id])
    assert message.id in attempted, attempted
    api.resend(app.id, message.id, endpoint.id)
    eventually(lambda: len(api.list_by_msg(app.id, message.id).data) == 2)
    equal(client.endpoint.get_stats(app.id, endpoint.id).success, 5)
    again = api.list_by_msg(app.id, message.id).data[0]
    api.expunge_content(app.id, message.id, again.id)
    equal(api.get(app.id, message.id, again.id).response, "")
    client.message.expunge_content(app.id, message.id)


def operational(client, app):
    """The endpoints that receive events about all applications."""
    url, received = receiver()
    api = client.operational_webhook.endpoint if hasattr(client, "operational_webhook") else client.operational_webhook_endpoint
    types = ["endpoint.created", "endpoint.deleted"]
    uid = f"python-{time.time_ns()}"
    created = api.create(model("OperationalWebhookEndpointIn", url=url, uid=uid, description="Ops", event_types=types,
                               filter_types=types, metadata={"a": "b"}))
    equal((created.uid, created.description, created.disabled), (uid, "Ops", False))
    equal(getattr(created, "event_types", None) or created.filter_types, types)
    equal(api.get(uid).id, created.id)
    change = getattr(api, "upsert", None) or api.update
    update = model("OperationalWebhookEndpointUpsertIn", "OperationalWebhookEndpointUpdate", url=url, uid=uid,
                   description="Other", event_types=types, filter_types=types)
    equal(change(created.id, update).description, "Other")
    assert created.id in walk(api.list, "OperationalWebhookEndpointListOptions", [])
    set_headers = getattr(api, "set_headers", None) or getattr(api, "update_headers", None)
    if set_headers:
        set_headers(created.id, model("OperationalWebhookEndpointHeadersIn", headers={"X-Ops": "1"}))
        equal(api.get_headers(created.id).headers, {"X-Ops": "1"})
    former = api.get_secret(created.id).key
    api.rotate_secret(created.id, model("OperationalWebhookEndpointSecretIn"))
    newest = api.get_secret(created.id).key
    assert newest != former
    endpoint = client.endpoint.create(app.id, model("EndpointIn", url=url, disabled=True, version=1))
    request = received.get(timeout=SECONDS)
    event = json.loads(request["body"])
    equal((event["type"], event["data"]["appId"], event["data"]["endpointId"]), ("endpoint.created", app.id, endpoint.id))
    for secret in [former, newest]:
        verify(secret, request, True)
    client.endpoint.delete(app.id, endpoint.id)
    equal(json.loads(received.get(timeout=SECONDS)["body"])["type"], "endpoint.deleted")
    api.delete(created.id)
    raises(404, lambda: api.get(created.id))
    raises(422, lambda: api.create(model("OperationalWebhookEndpointIn", url=url, event_types=["nonsense"],
                                         filter_types=["nonsense"])))


def statistics(client, app):
    usage = client.statistics.aggregate_app_stats(model(
        "AppUsageStatsIn", since=now() - timedelta(days=1), until=now(), app_ids=[app.uid, "nobody"]))
    equal((usage.unresolved_app_ids, text(usage.task)), (["nobody"], "application.stats"))
    # An old client wants an argument and does not use it.
    types = client.statistics.aggregate_event_types(*(["unused"] if IS_OLD else []))
    equal(text(types.task), "event-type.aggregate")
    if hasattr(client, "background_task"):
        [counted] = client.background_task.get(usage.id).data["appStats"]
        equal((counted["appId"], counted["appUid"]), (app.id, app.uid))
        # A process writes what it counted within a minute, so the figure can still be 0.
        assert isinstance(counted["messageDestinations"], int), counted
        listed = client.background_task.get(types.id).data["event_types"]
        equal([it["hasCatchAllEndpoint"] for it in listed if it["appId"] == app.id], [True])


def text(value):
    return getattr(value, "value", value)


def secrets(client, app, endpoint, received):
    while not received.empty():
        received.get()
    former = client.endpoint.get_secret(app.id, endpoint.id).key
    client.endpoint.rotate_secret(app.id, endpoint.id, model("EndpointSecretRotateIn"))
    newest = client.endpoint.get_secret(app.id, endpoint.id).key
    client.message.create(app.id, model("MessageIn", event_type="order.paid", payload={}))
    request = received.get(timeout=SECONDS)
    for secret in [former, newest]:
        verify(secret, request, True)


def change_to_ed25519(client, app, endpoint, received):
    """During the change, the client verifies the HMAC beside the other signature, which its Webhook cannot verify."""
    former = client.endpoint.get_secret(app.id, endpoint.id).key
    # The first key pair of RFC 8032, section 7.1.
    private = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    key = "whsk_" + base64.b64encode(bytes.fromhex(private + public)).decode()
    client.endpoint.rotate_secret(app.id, endpoint.id, model("EndpointSecretRotateIn", key=key))
    public_key = "whpk_" + base64.b64encode(bytes.fromhex(public)).decode()
    equal(client.endpoint.get_secret(app.id, endpoint.id).key, public_key)
    client.message.create(app.id, model("MessageIn", event_type="order.paid", payload={}))
    request = received.get(timeout=SECONDS)
    assert "v1a," in request["headers"]["svix-signature"], request["headers"]
    verify(former, request, True)
    verify(former, {**request, "body": request["body"] + " "}, False)


def errors(client, app):
    raises(404, lambda: client.endpoint.get(app.id, "nobody"))
    raises(422, lambda: client.endpoint.create(app.id, model("EndpointIn", url="nonsense", version=1)))
    raises(401, lambda: Svix("wrong", SvixOptions(server_url=client._client.base_url)).application.get(app.id))


def walk(operation, options, arguments):
    """The ids of a list, walked to its end."""
    found, iterator = [], None
    while True:
        page = operation(*arguments, model(options, "MessageAttemptListOptions", limit=2, iterator=iterator))
        found += [item.id for item in page.data]
        if page.done:
            return found
        iterator = page.iterator


def model(kind_name, optional=None, /, **fields):
    """A model of the client, without the fields that this generation does not have."""
    import inspect
    places = [svix.api, *modules()]
    names = [name for name in [kind_name, optional] if name]
    kind = next(getattr(place, name) for name in names for place in places if hasattr(place, name))
    known = getattr(kind, "model_fields", None) or inspect.signature(kind).parameters
    return kind(**{name: value for name, value in fields.items() if name in known and value is not None})


def modules():
    import importlib
    for name in ["svix.api.operational_webhook_endpoint", "svix.models", "svix.internal.openapi_client.models", "svix.api.application", "svix.api.endpoint",
                 "svix.api.message", "svix.api.message_attempt", "svix.api.event_type"]:
        try:
            yield importlib.import_module(name)
        except ImportError:
            pass


def verify(secret, request, expected):
    try:
        Webhook(secret).verify(request["body"], request["headers"])
        accepted = True
    except WebhookVerificationError:
        accepted = False
    equal(accepted, expected)


def now():
    return datetime.now(timezone.utc)


def raises(status, call):
    try:
        call()
    except Exception as error:  # The classes differ between the generations.
        equal(getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None), status)
        return
    raise SystemExit(f"sdk: the call did not fail with {status}")


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def eventually(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("the condition does not hold in time")
        time.sleep(0.1)


def receiver():
    """The URL of a new receiver, and the queue of the requests that it gets."""
    received = queue.Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), receiver_of(received))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/", received


def receiver_of(received):
    """A receiver that accepts every request and passes it on."""
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            received.put({"headers": {name.lower(): value for name, value in self.headers.items()}, "body": body})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    return Receiver


if __name__ == "__main__":
    main(sys.argv[1])
