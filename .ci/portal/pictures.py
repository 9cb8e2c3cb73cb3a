"""The pictures of docs/portal.md."""
from browser import browser
from pages import populated

# The file's name, the path below the organization's, and the height of the picture.
PICTURES = [("endpoints", "/endpoints", 560), ("endpoint", "/endpoints/{endpoint}", 900), ("delivery", "/deliveries/{delivery}", 1150),
            ("events", "/events", 800), ("usage", "/usage", 900), ("access", "/access", 560)]


def take_pictures(deployment, axe, folder):
    """Stores pictures of pages, light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    tenant = populated(deployment)
    of = {it["name"]: it["id"] for it in tenant.call("GET", "/webhooks/endpoints")}
    endpoint = of["Order service"]
    delivery = tenant.call("GET", f"/webhooks/endpoints/{of['Accounting']}/deliveries")[0]["id"]
    with browser(axe) as opened:
        opened.open(tenant.link("owner"))
        for name, path, height in PICTURES:
            for theme in ("light", "dark"):
                opened.theme(theme)
                opened.open(tenant.home + path.replace("{endpoint}", endpoint).replace("{delivery}", delivery))
                opened.size(1280, height)
                opened.picture(folder / f"{name}-{theme}.webp")
