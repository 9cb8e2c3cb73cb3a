"""Checks of every page: accessibility, width, size, and that the browser reports nothing."""
import re
from urllib.parse import urlsplit

from selenium.webdriver.common.by import By

from browser import browser as _browser
from scenes import Receiver as _Receiver

_ID = re.compile(r"(org|we|wdlv|wevt|wps|key|wjob|watt)_[0-9a-z]+")
_MOST_BYTES = 30_000


def populated(deployment):
    """A tenant with something to show on each page."""
    failing, healthy = _Receiver(500, '{"error": "the database is down"}'), _Receiver()
    tenant = deployment.tenant("Acme Trading")
    tenant.endpoint(healthy.url, "order.*", name="Order service", description="Keeps the stock current")
    tenant.endpoint(failing.url, "invoice.*", name="Accounting", retry_schedule=[60, 3600])
    paused = tenant.endpoint(healthy.url, "member.added", name="Newsletter")
    tenant.call("PATCH", f"/webhooks/endpoints/{paused}", {"status": "paused"})
    for number in range(12):
        tenant.publish("order.placed", {"order": f"A-{number}", "total": {"amount": 19.5 * number, "currency": "EUR"}})
        tenant.publish("invoice.paid", {"invoice": f"I-{number}", "paid": True}, channels=["eu"])
    event = tenant.publish("invoice.overdue", {"invoice": "I-99"}, external_id=f"invoice-99-{tenant.id}")
    tenant.delivery(event, "retrying")
    tenant.publish("member.added", {"member": "m-1"})
    return tenant


def _shape(path):
    return _ID.sub("{id}", path)


def _crawl(opened, start):
    """Opens every kind of page that links lead to, and yields its path."""
    seen, waiting = set(), [start]
    while waiting:
        url = waiting.pop(0)
        shape = _shape(urlsplit(url).path)
        if shape in seen:
            continue
        seen.add(shape)
        opened.open(url)
        if urlsplit(opened.driver.current_url).path != urlsplit(url).path:
            continue
        yield shape
        for link in opened.driver.find_elements(By.CSS_SELECTOR, "a[href]"):
            target = urlsplit(link.get_attribute("href"))
            own = target.netloc == urlsplit(url).netloc and target.path.startswith("/portal/")
            if own and link.get_dom_attribute("download") is None and _shape(target.path) not in seen:
                waiting.append(target._replace(fragment="").geturl())


def _check_page(opened, shape, problems):
    for theme in ("light", "dark"):
        opened.theme(theme)
        problems += [f"{shape} ({theme}): {found}" for found in opened.violations()]
    opened.size(360, 800)
    if (pixels := opened.overflows()) > 0:
        problems.append(f"{shape} is {pixels} pixels wider than a phone")
    opened.size(1280)
    size = len(opened.driver.execute_async_script(
        "const done = arguments[0]; fetch(location.href).then((it) => it.text()).then((it) => done(it))").encode())
    if size > _MOST_BYTES:
        problems.append(f"{shape} has {size} bytes")
    problems += [f"{shape}: {entry['message']}" for entry in opened.driver.get_log("browser")]


def _check_all(opened, start, least):
    shapes, problems = [], []
    for shape in _crawl(opened, start):
        shapes.append(shape)
        _check_page(opened, shape, problems)
    assert not problems, "\n".join(problems)
    assert len(shapes) >= least, f"only {shapes} were found"


def every_page_of_an_owner_is_accessible_and_fits_on_a_phone(deployment, axe):
    tenant = populated(deployment)
    with _browser(axe) as opened:
        opened.open(tenant.link("owner"))
        _check_all(opened, opened.driver.current_url, 12)


def every_page_of_a_new_tenant_is_accessible(deployment, axe):
    tenant = deployment.tenant("Empty")
    with _browser(axe) as opened:
        opened.open(tenant.link("member"))
        _check_all(opened, opened.driver.current_url, 4)


def every_page_of_an_operator_is_accessible(deployment, axe):
    populated(deployment)
    with _browser(axe) as opened:
        opened.open(deployment.operator_link())
        _check_all(opened, opened.driver.current_url, 3)
