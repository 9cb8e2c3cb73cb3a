"""A Chromium that opens the pages of the portal as a person does: by the texts of labels, links and buttons."""
import base64
import json
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

SECONDS = 20
# What WCAG 2.2 AA asks, and what axe-core's authors recommend beyond it.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def browser(axe="", **settings):
    opened = Browser(axe, **settings)
    try:
        yield opened
    finally:
        opened.driver.quit()


class Browser:
    def __init__(self, axe, width=1280, height=900, theme="light", scripts=True):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-US"):
            options.add_argument(argument)
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
        self.axe = axe
        self.size(width, height)
        self.theme(theme)
        # The pages show local times. The pictures and the checks do not depend on where they are made.
        self.command("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})

    def command(self, name, parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def size(self, width, height=900):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", metrics)

    def theme(self, name):
        features = [{"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"}]
        self.command("Emulation.setEmulatedMedia", {"features": features})

    def open(self, url):
        self.driver.get(url)

    @property
    def path(self):
        return urlsplit(self.driver.current_url).path

    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    def sees(self, text, seconds=SECONDS):
        """Waits until the page shows a text. It is loaded again meanwhile, so that this works without scripts too."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if text in self.text():
                    return
            except WebDriverException:  # the page is just being replaced
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.path} does not show {text!r}:\n{self.text()[:1500]}")
            time.sleep(0.3)
            if deadline - time.monotonic() < seconds - 1:
                self.driver.refresh()
                time.sleep(0.5)

    def waits_for(self, text, seconds=SECONDS):
        """Waits until the page shows a text by itself."""
        deadline = time.monotonic() + seconds
        while not self.shows(text):
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.path} does not show {text!r}:\n{self.text()[:1500]}")
            time.sleep(0.3)

    def shows(self, text):
        return text in self.text()

    def find(self, kind, text):
        """The visible element of this kind (`a`, `button`, `summary`) with this text."""
        quoted = json.dumps(text)
        found = self.driver.find_elements(By.XPATH, f"//{kind}[normalize-space(.)={quoted}]")
        visible = [element for element in found if element.is_displayed()]
        if not visible:
            raise AssertionError(f"{self.path} has no {kind} {text!r}:\n{self.text()[:1500]}")
        return visible[0]

    def has(self, kind, text):
        found = self.driver.find_elements(By.XPATH, f"//{kind}[normalize-space(.)={json.dumps(text)}]")
        return any(element.is_displayed() for element in found)

    def click(self, text, kinds=("button", "a", "summary")):
        kind = next((kind for kind in kinds if self.has(kind, text)), kinds[0])
        element = self.find(kind, text)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element) if self.runs_scripts() else None
        element.click()
        self.confirm()

    def runs_scripts(self):
        try:
            return self.driver.execute_script("return true") is True
        except WebDriverException:
            return False

    def confirm(self):
        """Accepts the question that the script asks before something that cannot be undone."""
        try:
            self.driver.switch_to.alert.accept()
        except WebDriverException:
            pass

    def field(self, label):
        quoted = json.dumps(label)
        labels = self.driver.find_elements(By.XPATH, f"//label[normalize-space(.)={quoted} or starts-with(normalize-space(.), {quoted})]")
        for found in labels:
            if not found.is_displayed():
                continue
            if name := found.get_attribute("for"):
                return self.driver.find_element(By.ID, name)
            return found.find_element(By.CSS_SELECTOR, "input, textarea, select")
        raise AssertionError(f"{self.path} has no field {label!r}:\n{self.text()[:1500]}")

    def fill(self, label, value):
        field = self.field(label)
        if field.tag_name == "select":
            Select(field).select_by_visible_text(value)
        elif field.get_attribute("type") in ("checkbox", "radio"):
            if field.is_selected() != value:
                field.click()
        else:
            field.clear()
            field.send_keys(value)

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def select_all(self):
        webdriver.ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()

    def focused(self):
        """What has the focus: its label or text."""
        element = self.driver.switch_to.active_element
        name = element.get_attribute("id")
        labels = self.driver.find_elements(By.CSS_SELECTOR, f"label[for='{name}']") if name else []
        return (labels[0].text if labels else element.text or element.get_attribute("aria-label") or "").strip()

    def tab_to(self, text, most=120):
        """Moves the focus with the tab key alone."""
        for _ in range(most):
            self.press(Keys.TAB)
            if self.focused().startswith(text):
                return
        raise AssertionError(f"{self.path}: the tab key does not reach {text!r}")

    def picture(self, file):
        """Stores the visible part of the page. Chromium takes a picture only of a frame that it draws afterwards."""
        self.driver.execute_script("requestAnimationFrame(() => document.body.classList.toggle('drawn'))")
        data = self.command("Page.captureScreenshot", {"format": "webp", "quality": 80})["data"]
        Path(file).write_bytes(base64.b64decode(data))

    def overflows(self):
        """How many pixels the page is wider than the window."""
        script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return self.driver.execute_script(script)

    def violations(self):
        """What axe-core finds on the page, one line for each rule that is broken."""
        self.driver.execute_script(self.axe)
        script = "const done = arguments[arguments.length - 1]; axe.run(document, {runOnly: arguments[0]}).then(done, (error) => done(String(error)))"
        result = self.driver.execute_async_script(script, RULES)
        if isinstance(result, str):
            raise AssertionError(f"axe-core failed: {result}")
        assert len(result["passes"]) > 5, "axe-core checked nothing"
        return [f"{found['id']} ({found['impact']}): {found['help']}: "
                + "; ".join(node["html"][:160] + " " + (node.get("failureSummary") or "").replace("\n", " ")[:200] for node in found["nodes"][:3])
                for found in result["violations"]]
