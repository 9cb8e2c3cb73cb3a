"""What the generated requests must know of the host that they are sent to."""

import json
import os
import urllib.request

import schemathesis

BASE, ORGANIZATION, API_KEY = (os.environ[name] for name in ("BASE_URL", "ORGANIZATION", "API_KEY"))
RECEIVER = f"{BASE}/demo/receiver"


def own_key():
    request = urllib.request.Request(
        f"{BASE}/v1/organizations/{ORGANIZATION}/api-keys", headers={"Authorization": f"Bearer {API_KEY}"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"][0]["id"]


OWN_KEY = own_key()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Tells what only this host makes true: which organization there is, and which URL may be delivered to."""
    schemas, paths = raw_schema["components"]["schemas"], raw_schema["paths"]
    own = {"type": "string", "enum": [ORGANIZATION]}
    schemas["EndpointUrl"] = {"type": "string", "enum": [RECEIVER]}
    schemas["pages.EndpointPatch"]["properties"]["organization_id"] = own
    schemas["pages.NewEndpoint"]["properties"]["organization_id"] = {"oneOf": [own, {"type": "null"}]}
    for path, item in paths.items():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in ("organization", "organization_id"):
                    parameter["schema"] = own
                # To a client, a cursor is whatever a list returned.
                elif parameter["name"] == "cursor" and path.endswith("/events"):
                    parameter["schema"] = schemas["EventId"]
                elif parameter["name"] == "cursor" and path.endswith("/deliveries"):
                    parameter["schema"] = schemas["DeliveryId"]
    add_links(paths)


def add_links(paths):
    """From what makes a thing to what can be done with it."""
    for path, item in paths.items():
        if "post" not in item or path.endswith(("}", "/retry", "/batch")):
            continue
        operation = item["post"]
        data = "#/data" if operation["tags"] == ["organizations"] else "#"
        for other, targets in paths.items():
            if path.endswith("/test") and "{delivery}" in other:
                link(operation, targets, "delivery", "#/data/latest_delivery/id")
            elif other.startswith(f"{path}/{{"):
                link(operation, targets, other[len(path) + 2 :].split("}")[0], f"{data}/id")


def link(operation, targets, parameter, pointer):
    answer = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    for target in targets.values():
        answer.setdefault("links", {})[target["operationId"]] = {
            "operationId": target["operationId"],
            "parameters": {f"path.{parameter}": f"$response.body{pointer}"},
        }


@schemathesis.hook
def before_call(context, case, **kwargs):
    """Whether a request is still valid, or still invalid, is judged again after this."""
    body, path, query = case.body, case.path_parameters or {}, case.query or {}
    # Whatever a request has as its URL in order to be refused, nothing may ever be delivered there.
    if isinstance(body, dict) and isinstance(body.get("url"), str) and body["url"] != RECEIVER:
        body["url"] = "none"
    # Without its own key, the rest of the run would be one long 401.
    if path.get("key") == OWN_KEY:
        path["key"] = OWN_KEY[:-1] + ("0" if OWN_KEY[-1] != "0" else "1")
    # A parameter without a value counts as absent, which a schema cannot say.
    for name in [name for name, value in query.items() if value == ""]:
        del query[name]
