"""The paths that people take through the portal."""
import time

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import browser as _browser
from scenes import Receiver as _Receiver


def _create_endpoint(opened, tenant, url):
    opened.open(f"{tenant.home}/endpoints")
    opened.click("Create an endpoint")
    opened.fill("Name", "Orders")
    opened.fill("URL", url)
    opened.fill("Types and patterns", "order.*")
    opened.click("Create")
    opened.sees("Signing secret", 2)
    secret = next(word for word in opened.text().split() if word.startswith("whsec_"))
    opened.click("Go to the endpoint")
    return secret


def _walk_the_main_path(opened, tenant):
    """From creating an endpoint, by a failed test and its reason, to its success."""
    failing, working = _Receiver(500, '{"error": "the database is down"}'), _Receiver()
    secret = _create_endpoint(opened, tenant, failing.url)
    endpoint = opened.path
    opened.click("Send a test")
    opened.click("Send the test")
    assert "/deliveries/" in opened.path, opened.path
    delivery = opened.path
    opened.sees("500")
    opened.sees("The receiver responded with another status than 2xx")
    opened.sees("the database is down")
    opened.open(tenant.deployment.base + endpoint + "/settings")
    opened.fill("URL", working.url)
    opened.click("Save")
    opened.sees("The settings were saved", 2)
    opened.open(tenant.deployment.base + delivery)
    opened.click("Send again")
    opened.sees("Delivered")
    assert working.received, "nothing arrived"
    assert secret not in opened.text(), "a secret is shown again"
    return endpoint, working


def a_tenant_creates_an_endpoint_finds_out_why_a_test_failed_and_mends_it(deployment, axe):
    tenant = deployment.tenant()
    with _browser(axe) as opened:
        opened.open(tenant.link("owner"))
        endpoint, working = _walk_the_main_path(opened, tenant)
        opened.open(deployment.base + endpoint + "/signing")
        opened.click("Rotate the secret")
        opened.sees("The new secret", 2)
        opened.open(deployment.base + endpoint)
        opened.click("Pause")
        opened.sees("Paused", 2)
        tenant.publish("order.placed", {"order": "A-1"})
        opened.click("Resume")
        opened.sees("Active", 2)
        deadline = time.monotonic() + 20
        while b"A-1" not in b"".join(working.received) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert b"A-1" in b"".join(working.received), "what waited was not sent"
        opened.open(deployment.base + endpoint + "/replay")
        opened.click("Count")
        opened.sees("This would send", 2)


def the_main_path_works_without_scripts(deployment, axe):
    tenant = deployment.tenant()
    with _browser(axe, scripts=False) as opened:
        opened.open(tenant.link("admin"))
        assert not opened.runs_scripts() or not opened.driver.find_elements(By.CSS_SELECTOR, "[data-copy]:not([hidden])")
        _walk_the_main_path(opened, tenant)


def the_main_path_works_on_a_phone_in_the_dark(deployment, axe):
    tenant = deployment.tenant()
    with _browser(axe, width=360, height=800, theme="dark") as opened:
        opened.open(tenant.link("owner", theme="dark"))
        _walk_the_main_path(opened, tenant)
        assert opened.overflows() <= 0


def an_endpoint_is_created_and_tested_with_the_keyboard_alone(deployment, axe):
    tenant, receiver = deployment.tenant(), _Receiver()
    with _browser(axe) as opened:
        opened.open(tenant.link("owner"))
        opened.tab_to("Create an endpoint")
        opened.press(Keys.ENTER)
        for label, text in (("Name", "By keyboard"), ("URL", receiver.url), ("Types and patterns", "order.*")):
            opened.tab_to(label)
            opened.select_all()
            opened.press(text)
        opened.tab_to("Create")
        opened.press(Keys.ENTER)
        opened.sees("Signing secret", 5)
        opened.tab_to("Go to the endpoint")
        opened.press(Keys.ENTER)
        opened.tab_to("Send a test")
        opened.press(Keys.ENTER)
        opened.tab_to("Send the test")
        opened.press(Keys.ENTER)
        opened.sees("Delivered")


def two_tenants_in_two_tabs_do_not_mix(deployment, axe):
    first, second = deployment.tenant("First"), deployment.tenant("Second")
    first.endpoint("http://127.0.0.1:9/", name="Of the first")
    with _browser(axe) as opened:
        opened.open(first.link("owner"))
        opened.sees("Of the first", 2)
        opened.open(second.link("owner"))
        opened.sees("This link is of another organization", 2)
        assert opened.shows("First") and opened.shows("Second")
        opened.click("Open this link")
        opened.sees("There is no endpoint yet", 2)
        opened.open(f"{first.home}/endpoints")
        opened.sees("Not found", 2)
        assert not opened.shows("Of the first")


def a_link_works_once_and_signing_out_ends_the_session(deployment, axe):
    tenant = deployment.tenant()
    link = tenant.link("member")
    with _browser(axe) as opened:
        opened.open(link)
        opened.sees("Endpoints", 2)
        assert not opened.has("a", "Create an endpoint"), "a member may create nothing"
        opened.click("Sign out")
        opened.sees("You are signed out", 2)
        opened.open(link)
        opened.sees("This link does not work any more", 2)
        opened.open(f"{tenant.home}/endpoints")
        opened.sees("You are not signed in", 2)


def markup_in_names_payloads_and_responses_is_shown_as_text(deployment, axe):
    script = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    tenant, receiver = deployment.tenant(), _Receiver(500, script)
    tenant.endpoint(receiver.url, "order.placed", name=script, description=script, retry_schedule=[])
    event = tenant.publish("order.placed", {script: script})
    delivery = tenant.delivery(event, "exhausted")
    with _browser(axe) as opened:
        opened.open(tenant.link("owner"))
        for path in ("/endpoints", f"/deliveries/{delivery}", f"/events/{event['id']}"):
            opened.open(tenant.home + path)
            assert opened.driver.title != "taken" and "onerror" in opened.text(), path
            assert not opened.driver.find_elements(By.CSS_SELECTOR, "main script, main img"), path


def the_portal_is_not_shown_in_a_frame(deployment, axe):
    tenant = deployment.tenant()
    with _browser(axe) as opened:
        opened.open(tenant.link("owner"))
        opened.open("data:text/html,<iframe id=f src='%s/endpoints'></iframe>" % tenant.home)
        time.sleep(1)
        opened.driver.switch_to.frame("f")
        assert "Endpoints" not in opened.driver.page_source, "the frame shows the portal"


def a_session_that_ends_says_so_and_keeps_what_was_entered(deployment, axe):
    tenant = deployment.tenant()
    with _browser(axe) as opened:
        opened.open(tenant.link("owner", expires_in=3600))
        assert not opened.shows("Your session ends soon")
        opened.open(tenant.link("owner", expires_in=599))
        opened.sees("Your session ends soon", 2)
        assert not opened.violations()
        opened.open(tenant.link("owner", expires_in=60))
        opened.open(f"{tenant.home}/new-endpoint")
        opened.fill("Name", "Not lost")
        opened.waits_for("Your session has ended", 70)
        opened.fill("URL", "https://example.com/")
        opened.click("Create")
        assert opened.field("Name").get_attribute("value") == "Not lost", "the form was sent"
        assert not opened.violations()
    with _browser(axe, scripts=False) as opened:
        opened.open(tenant.link("owner", expires_in=599))
        opened.sees("Your session ends soon", 2)


def the_types_of_the_catalogue_can_be_searched(deployment, axe):
    for name in ("order.placed", "order.shipped", "invoice.paid", "invoice.late", "member.added", "member.left"):
        deployment.event_type(f"search.{name}" if name.startswith("member") else name)
    tenant = deployment.tenant()
    with _browser(axe) as opened:
        opened.open(tenant.link("owner"))
        opened.click("Create an endpoint")
        assert opened.shows("order.*") and opened.shows("invoice.late")
        opened.fill("Find a type", "ORDER pla")
        assert opened.shows("order.placed") and not opened.shows("order.shipped") and not opened.shows("invoice.late")
        assert not opened.violations()
        opened.fill("Find a type", "nothing like this")
        assert opened.shows("No type matches.") and not opened.shows("order.placed")
        opened.press(Keys.ENTER)
        assert opened.path.endswith("/new-endpoint"), "the key sends the form"
        opened.fill("Find a type", "order")
        opened.fill("order.*", True)
        opened.fill("Name", "Orders")
        opened.fill("URL", "http://127.0.0.1:9/")
        opened.click("Create")
        opened.sees("Signing secret", 2)
    created, = tenant.call("GET", "/webhooks/endpoints")
    assert created["event_types"] == ["order.*"], created["event_types"]


def a_colleague_with_a_link_for_one_endpoint_sees_only_this_one(deployment, axe):
    tenant = deployment.tenant()
    for name in ("Orders", "Invoices"):
        tenant.endpoint("http://127.0.0.1:9/", name=name)
    with _browser(axe) as opened, _browser(axe) as colleague:
        opened.open(tenant.link("owner"))
        opened.open(f"{tenant.home}/access/sessions/new")
        opened.fill("Person", "zoe@acme.example")
        opened.fill("Invoices", True)
        opened.click("Create the link")
        link = next(word for word in opened.text().split() if "/portal/sign-in?token=" in word)
        colleague.open(link)
        colleague.sees("Invoices", 2)
        assert not colleague.shows("Orders")
