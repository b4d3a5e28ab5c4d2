"use strict";
// Additions: every page works without them. Counts come by themselves, pages follow one another
// while one scrolls, and what is selected stays so from page to page.
const STORED = "selected";

const part = async (address) => {
  const url = new URL(address, location.href);
  url.searchParams.set("part", "1");
  const answer = await fetch(url);
  return answer.ok ? answer.text() : "";
};

const facets = document.querySelector("#facets");
if (facets) {
  part(facets.dataset.part).then((html) => {
    if (html) facets.innerHTML = html;
    if (window.innerWidth < 960) facets.querySelector("details")?.removeAttribute("open");
  });
}

const gallery = document.querySelector("#gallery");
const selected = new Set(JSON.parse(sessionStorage.getItem(STORED) || "[]"));

const tell = () => {
  const status = document.querySelector("#selected");
  if (!status) return;
  status.textContent = selected.size ? `${selected.size} selected` : "";
  sessionStorage.setItem(STORED, JSON.stringify([...selected]));
};

const tick = (root) => {
  for (const box of root.querySelectorAll('input[name="pair"]')) box.checked = selected.has(box.value);
};

if (gallery) {
  tick(gallery);
  tell();
  gallery.addEventListener("change", (event) => {
    const box = event.target;
    if (box.name !== "pair") return;
    if (box.checked) selected.add(box.value);
    else selected.delete(box.value);
    tell();
  });
  gallery.closest("form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const pairs = [...selected];
    selected.clear();
    tell();
    location.href = pairs.length ? `/?pairs=${pairs.join(",")}` : "/";
  });
  const waiting = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      waiting.unobserve(entry.target);
      follow(entry.target);
    }
  }, { rootMargin: "600px" });
  const follow = async (more) => {
    const html = await part(more.querySelector("a").href);
    if (!html) return;
    more.remove();
    gallery.insertAdjacentHTML("beforeend", html);
    tick(gallery);
    watch();
  };
  const watch = () => {
    const more = gallery.querySelector(".more");
    if (more) waiting.observe(more);
  };
  watch();
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const words = button.textContent;
    button.textContent = "copied";
    setTimeout(() => { button.textContent = words; }, 1500);
  });
}
