// Makes the pages more comfortable. Every page works without it.
"use strict";

/** Shows times in the person's time zone, and in UTC on hover. */
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
    time.textContent = format.format(at);
  }
}

/** Says how long it takes until a time in the future. */
function countdowns() {
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const seconds = Math.round((new Date(element.dataset.countdown) - Date.now()) / 1000);
    const [unit, size] = seconds >= 5400 ? ["hour", 3600] : seconds >= 90 ? ["minute", 60] : ["second", 1];
    element.textContent = seconds > 0 ? `(${relative.format(Math.round(seconds / size), unit)})` : "";
  }
}

/** Shows the buttons that copy a text. Browsers have a clipboard for scripts only on encrypted pages and on localhost. */
function copyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy], [data-copy-from]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom).textContent;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
});

/** Asks before a form does what cannot be undone. What cannot be sent any more stays on the page. */
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (hasEnded && event.target.method === "post") {
    event.preventDefault();
    document.getElementById("ending").scrollIntoView({ block: "center" });
  } else if (question && !window.confirm(question)) {
    event.preventDefault();
  }
});

let hasEnded = false;

/** Says that the session has ended. */
function sessionEnded() {
  hasEnded = true;
  const notice = document.getElementById("ending");
  const [first, second] = notice.querySelectorAll("p");
  first.textContent = notice.dataset.ended;
  second.hidden = true;
  notice.hidden = false;
}

/** Shows the notice that the session ends soon, when it is time. */
function sessionEnds() {
  const notice = document.getElementById("ending");
  if (!notice) return;
  const ends = Date.now() + notice.dataset.seconds * 1000;
  const look = () => {
    const left = ends - Date.now();
    if (left <= 0) return sessionEnded();
    notice.hidden = left > notice.dataset.notice * 1000;
    // Timers stand still while the machine sleeps.
    setTimeout(look, Math.min(left, 10000));
  };
  look();
}

/** Shows the fields that search boxes, and hides the boxes that do not match. */
function searches() {
  for (const field of document.querySelectorAll("[data-search]")) {
    const input = field.querySelector("input"), none = field.querySelector("[data-none]");
    const groups = [...document.querySelectorAll(`#${field.dataset.search} .types`)];
    field.hidden = false;
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const group of groups) {
        const boxes = [...group.querySelectorAll(".check")], heading = group.querySelector("h3")?.textContent ?? "";
        for (const box of boxes) {
          const text = `${heading} ${box.textContent}`.toLowerCase();
          box.hidden = !words.every((word) => text.includes(word));
        }
        group.hidden = boxes.every((box) => box.hidden);
      }
      none.textContent = groups.every((group) => group.hidden) ? none.dataset.none : "";
    });
  }
}

/**
 * Keeps elements with `data-live` current: every 5 seconds, more seldom while nothing changes, at most every 30, and not
 * while the page is hidden, paused, or in use.
 */
function live() {
  const regions = () => document.querySelectorAll("[data-live][id]");
  if (regions().length === 0) return;
  const shortest = 5000, longest = 30000;
  let wait = shortest, timer = 0, paused = false;
  const next = () => { clearTimeout(timer); timer = setTimeout(refresh, wait); };
  async function refresh() {
    const inUse = [...regions()].some((region) => region.contains(document.activeElement));
    if (hasEnded) return;
    if (paused || document.hidden || inUse) return next();
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      if (response.status === 401) return sessionEnded();
      if (!response.ok) throw new Error(String(response.status));
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      let changed = false;
      for (const region of regions()) {
        const fresh = page.getElementById(region.id);
        if (!fresh) continue;
        if (fresh.dataset.version === region.dataset.version && fresh.dataset.version !== undefined) continue;
        changed = true;
        region.replaceWith(fresh);
        enhance(fresh);
      }
      wait = changed ? shortest : Math.min(wait * 1.5, longest);
    } catch {
      wait = longest;
    }
    next();
  }
  for (const button of document.querySelectorAll("[data-pause]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      button.textContent = paused ? button.dataset.resume : button.dataset.pause;
    });
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { wait = shortest; refresh(); } });
  next();
}

function enhance(root) {
  localTimes(root);
  copyButtons(root);
}

enhance(document);
countdowns();
if (document.querySelector("[data-countdown]")) setInterval(countdowns, 1000);
sessionEnds();
searches();
live();
