"""Adapts the generated requests to the host that they are sent to.

An OpenAPI document does not contain the ids of existing resources. A well-formed id in a request is replaced by the id
of an existing resource. A malformed id is not changed.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

import schemathesis

NAMES = ("BASE_URL", "ORGANIZATION", "API_KEY", "PLATFORM_KEY")
BASE, ORGANIZATION, API_KEY, PLATFORM_KEY = (os.environ[name] for name in NAMES)
RECEIVER = f"{BASE}/demo/receiver"
ROOT = f"/v1/organizations/{ORGANIZATION}"
WELL_FORMED_URL = re.compile(r"^https?://[^\s\\#]+$")
EXTERNAL = r"ext:[A-Za-z0-9._-]{1,256}"
IDS_OF_VERSIONS = re.compile("[1-9][0-9]*")
IDS = {
    "organization": rf"org_[0-9a-hjkmnp-tv-z]{{26}}|[0-9a-fA-F]{{8}}(-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}|{EXTERNAL}",
    "endpoint": rf"we_[0-9a-f]{{32}}|ep_[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|{EXTERNAL}",
    "key": r"key_[0-9a-f]{32}",
    "portal_session": r"wps_[0-9a-f]{32}",
    "event": rf"wevt_[0-9a-f]{{32}}|{EXTERNAL}",
    "job": r"wjob_[0-9a-f]{32}",
    "delivery": r"wdlv_[0-9a-f]{32}",
    "attempt": r"watt_[0-9a-f]{32}",
    "event_type": r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*",
    "schema_version": r"[1-9][0-9]*",
}


def call(method, path, body=None, key=API_KEY):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(BASE + path, body and json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "{}").get("data")


def make_endpoint(**settings):
    """Creates an endpoint whose deliveries fail immediately, so that they can be retried."""
    body = {"name": "n", "url": f"{RECEIVER}?status=500", "event_types": ["a"], "retry_schedule": [], **settings}
    return call("POST", f"{ROOT}/webhooks/endpoints", body)["id"]


def make_event():
    return call("POST", f"{ROOT}/events", {"type": "a", "data": {}})["id"]


def make_key():
    return call("POST", f"{ROOT}/api-keys", {"name": "n", "role": "member"})["id"]


def make_portal_session():
    return call("POST", f"{ROOT}/portal-sessions", {"role": "member"})["id"]


def make_operator_session():
    return call("POST", "/v1/portal-sessions", {}, PLATFORM_KEY)["id"]


def make_job():
    """Requests a recovery, which is a job that can be cancelled."""
    return call("POST", f"{ROOT}/webhooks/endpoints/{ENDPOINT}/recover", {"since": "2026-01-01T00:00:00Z"})["id"]


def make_event_type():
    """Creates the event type of the requests, or changes it back if a request has changed it."""
    call("PUT", f"/v1/event-types/{EVENT_TYPE}", {"schema": {"type": "object"}}, PLATFORM_KEY)
    return EVENT_TYPE


def first_attempt(delivery):
    """Waits for the first attempt of a delivery."""
    for _ in range(50):
        if attempts := call("GET", f"{ROOT}/webhooks/deliveries/{delivery}/attempts"):
            return attempts[0]["id"]
        time.sleep(0.1)
    sys.exit(f"{delivery} was not attempted")


EVENT_TYPE = "generated.type"
ENDPOINT = make_endpoint()
# No request changes this endpoint, so its public key, which the key sets list, stays.
ENDPOINT_WITH_PUBLIC_KEY = make_endpoint(signing_algorithm="ed25519")
TESTED = call("POST", f"{ROOT}/webhooks/endpoints/{ENDPOINT}/test", {})
THERE = {
    "organization": ORGANIZATION,
    "endpoint": ENDPOINT,
    "key": make_key(),
    "portal_session": make_portal_session(),
    "event": TESTED["event_id"],
    "job": make_job(),
    "delivery": TESTED["latest_delivery"]["id"],
    "attempt": first_attempt(TESTED["latest_delivery"]["id"]),
    "event_type": make_event_type(),
    "schema_version": 1,
}


superfluous = []


def hyphenated(endpoint):
    return "ep_" + re.sub("(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", endpoint.removeprefix("we_"))


def thing(kind, case):
    """Returns the id of an existing resource of this kind. If the request may delete it, the resource is a new one."""
    found = THERE[kind]
    if kind == "endpoint" and case.method == "DELETE":
        found = make_endpoint()
        superfluous.append(found)
    if kind == "endpoint" and case.path.endswith("/jwks.json"):
        found = ENDPOINT_WITH_PUBLIC_KEY
    if kind == "portal_session" and case.path.startswith("/v1/portal-sessions"):
        found = make_operator_session()
    if kind == "event" and case.method == "DELETE":
        found = make_event()
    if kind == "event_type" and case.method != "PUT":
        found = make_event_type()
    if kind == "key" and case.method in ("DELETE", "POST"):
        found = make_key()
    return hyphenated(found) if kind == "endpoint" and case.path.startswith("/v1/endpoints") else found


def existing_endpoints(values):
    """Replaces the well-formed ids by that of the endpoint, which is in the list once."""
    named = [value for value in values if isinstance(value, str) and re.fullmatch("we_[0-9a-f]{32}", value)]
    others = [value for value in values if value not in named]
    return others + [ENDPOINT][:len(named)]


def put(values, name, kind, case):
    value = values.get(name)
    if isinstance(value, (str, int)) and re.fullmatch(IDS[kind], str(value)):
        values[name] = thing(kind, case)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Restricts what the schemas describe only in words. Cursors become those that the lists accept: an id of the listed
    resource, or the time and id of a job or an organization. Filters become a few that are valid."""
    schemas = raw_schema["components"]["schemas"]
    listed = {"api-keys": "ApiKeyId", "endpoints": "EndpointId", "events": "EventId", "deliveries": "DeliveryId",
              "portal-sessions": "PortalSessionId"}
    cursors = {resource: schemas[name] for resource, name in listed.items()}
    moment = r"20[0-9]{2}-0[1-9]-0[1-9]T0[0-9]:0[0-9]:0[0-9]\.[0-9]{3}Z"
    cursors["attempts"] = {"type": "string", "pattern": "^(before-)?watt_[0-9a-f]{32}$"}
    cursors["event-types"] = schemas["EventType"]
    cursors["versions"] = {"type": "string", "pattern": "^[1-9][0-9]{0,5}$"}
    cursors["jobs"] = {"type": "string", "pattern": rf"^{moment}\.wjob_[0-9a-f]{{32}}$"}
    cursors["organizations"] = {"type": "string", "pattern": rf"^{moment}\.org_[0-9a-hjkmnp-tv-z]{{26}}$"}
    schemas["DataSchema"]["enum"] = [True, False, {}, {"type": "object"}, {"properties": {"a": {"type": "string"}}}]
    schemas["Filter"]["enum"] = [
        {"type": ["a", {"prefix": "b."}]},
        {"data": {"n": [{"numeric": [">", 1]}, {"exists": False}]}, "channels": [{"anything-but": "x"}]},
        {"$or": [{"subject": {"id": [{"wildcard": "a*"}]}}, {"data": {"ip": [{"cidr": "10.0.0.0/8"}]}}]},
    ]
    for path, item in raw_schema["paths"].items():
        for parameter in item.get("get", {}).get("parameters", []):
            if parameter["name"] == "cursor":
                parameter["schema"] = cursors[path.rsplit("/", 1)[1]]


@schemathesis.hook
def after_call(context, case, response):
    """Deletes the endpoints that the request created. Otherwise each would get all later events of the run."""
    if response.status_code == 201 and case.path.endswith(("/endpoints", "/webhooks", "/webhook-endpoints")):
        made = response.json()
        superfluous.append(made.get("data", made)["id"].replace("ep_", "we_").replace("-", ""))
    while superfluous:
        try:
            call("DELETE", f"/v1/webhook-endpoints/{superfluous.pop()}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise


@schemathesis.hook
def before_call(context, case, **kwargs):
    """Replaces ids and URLs in a request. Schemathesis decides afterwards whether the request is valid."""
    path, query, body = case.path_parameters or {}, case.query or {}, case.body
    for name in path:
        put(path, name, name, case)
    put(query, "organization_id", "organization", case)
    # A parameter without a value counts as absent.
    for name in [name for name, value in query.items() if value in ("", None, [], {}, [""])]:
        del query[name]
    if isinstance(body, dict):
        # The generated types have no versions.
        if IDS_OF_VERSIONS.fullmatch(str(body.get("schema_version"))):
            del body["schema_version"]
        put(body, "organization_id", "organization", case)
        if isinstance(body.get("endpoints"), list):
            body["endpoints"] = existing_endpoints(body["endpoints"])
        # The host has no setting PortalOrigins, so it refuses every return address.
        if isinstance(body.get("return_url"), str):
            del body["return_url"]
        # Every URL that may be accepted is replaced by the demo receiver's, so deliveries reach no other host.
        if isinstance(body.get("url"), str):
            body["url"] = RECEIVER if WELL_FORMED_URL.match(body["url"]) else "none"
