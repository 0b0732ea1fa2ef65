"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const sheet = byId("sheet");
  const viewer = byId("viewer");
  const buttons = all("button.open");

  // Theme: the system's until the reader chooses.
  const remember = (theme) => { try { localStorage.setItem("packshot-theme", theme); } catch { /* storage is off */ } };
  const remembered = () => { try { return localStorage.getItem("packshot-theme"); } catch { return null; } };
  if (remembered()) document.documentElement.dataset.theme = remembered();
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    remember(root.dataset.theme);
  });

  // Filters: a shot stays if every one of them keeps it; a product stays with its shots.
  const search = byId("search");
  const category = byId("category");
  const order = byId("order");
  const tiles = all("button.tile");
  const chosen = () => tiles.filter((tile) => tile.getAttribute("aria-pressed") === "true").map((tile) => tile.dataset.filter);
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = chosen();
    let shots = 0;
    let products = 0;
    for (const sku of all(".sku", sheet)) {
      const rightCategory = !category.value || sku.dataset.category === category.value;
      const holds = (text) => words.every((word) => text.includes(word));
      let kept = 0;
      for (const shot of all(".shot", sku)) {
        const statuses = shot.dataset.statuses.split(" ");
        const keep = rightCategory && holds(shot.dataset.search) &&
          (!wanted.length || wanted.some((status) => statuses.includes(status)));
        shot.hidden = !keep;
        kept += keep;
      }
      const bare = "error" in sku.dataset ? !wanted.length || wanted.includes("error")
        : !wanted.length && !all(".shot", sku).length;
      sku.hidden = !(kept || (bare && rightCategory && holds(sku.dataset.search)));
      shots += kept;
      products += !sku.hidden;
    }
    byId("nothing").hidden = products > 0;
    byId("shown").textContent = `${shots} ${shots === 1 ? "shot" : "shots"} of ${products} ${products === 1 ? "product" : "products"}`;
    byId("reset").hidden = !(words.length || wanted.length || category.value);
  };
  const arrange = () => {
    const key = order.value === "worst" ? (sku) => Number(sku.dataset.rank) : () => 0;
    all(".sku", sheet).sort((a, b) => key(a) - key(b) || a.dataset.position - b.dataset.position)
      .forEach((sku) => sheet.insertBefore(sku, byId("nothing")));
  };
  for (const tile of tiles) {
    tile.addEventListener("click", () => {
      tile.setAttribute("aria-pressed", String(tile.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  search.addEventListener("input", filter);
  category.addEventListener("change", filter);
  order.addEventListener("change", arrange);
  byId("toolbar").addEventListener("submit", (event) => event.preventDefault());
  byId("toolbar").addEventListener("reset", () => {
    tiles.forEach((tile) => tile.setAttribute("aria-pressed", "false"));
    setTimeout(() => { filter(); arrange(); }); // after the fields have their first values again
  });

  // Slider: a native range lies over the pictures, so pointer, touch and keys come with it.
  const slider = (root) => {
    const compare = root.querySelector(".compare");
    const range = compare && compare.querySelector("input");
    if (!range) return () => {};
    const [left, right] = all(".side", compare);
    const choosers = all("select.side", compare);
    const draw = () => {
      compare.style.setProperty("--at", `${range.value}%`);
      range.setAttribute("aria-valuetext", `${Math.round(range.value)} %`);
      if (choosers.length) return; // what can be chosen from stays in sight
      left.style.opacity = range.value < 14 ? 0 : 1;
      right.style.opacity = range.value > 86 ? 0 : 1;
    };
    range.addEventListener("input", draw);
    draw();
    // Three pictures: each side shows one; choosing what the other side has swaps the two.
    let shown = choosers.map((chooser) => chooser.value);
    choosers.forEach((chooser, side) => chooser.addEventListener("change", () => {
      const other = choosers[1 - side];
      if (chooser.value === other.value) other.value = shown[side];
      shown = choosers.map((each) => each.value);
      for (const picture of all("img[data-side]", compare)) {
        const place = shown.indexOf(picture.dataset.side);
        picture.hidden = place < 0;
        picture.className = ["left", "right"][place] || "";
      }
      const [onLeft, onRight] = choosers.map((each) => each.selectedOptions[0].text);
      range.setAttribute("aria-label", `${onLeft} on the left, ${onRight.toLowerCase()} on the right`);
    }));
    return (limit) => { range.value = Math.min(range.value, limit); draw(); };
  };

  // Viewer
  let current = null;
  const show = (button) => {
    current = button;
    viewer.replaceChildren(byId(`shot-${button.dataset.shot}`).content.cloneNode(true));
    const uncover = slider(viewer);
    const boxes = viewer.querySelector(".boxes");
    // Frames lie on the final image, so it starts uncovered as far as they reach.
    const leftmost = Math.min(...all(".boxes .box", viewer).map((box) => parseFloat(box.style.left)));
    uncover(Math.max(0, leftmost - 4));
    for (const check of all(".check[data-number]", viewer)) {
      const box = boxes && boxes.querySelector(`[data-number="${check.dataset.number}"]`);
      if (!box) continue;
      const light = (on) => { box.classList.toggle("lit", on); boxes.classList.toggle("dim", on); };
      check.addEventListener("mouseenter", () => light(true));
      check.addEventListener("mouseleave", () => light(false));
      check.addEventListener("focusin", () => light(true));
      check.addEventListener("focusout", () => light(false));
      check.querySelector(".number").addEventListener("click", () => {
        uncover(Math.max(0, parseFloat(box.style.left) - 3));
        viewer.querySelector(".stage").scrollIntoView({ block: "nearest" });
      });
    }
    viewer.querySelector("[data-close]").addEventListener("click", () => viewer.close());
    all("[data-step]", viewer).forEach((step) => step.addEventListener("click", () => walk(Number(step.dataset.step))));
    if (!viewer.open) viewer.showModal();
    (viewer.querySelector(".compare input") || viewer.querySelector("[data-close]")).focus({ preventScroll: true });
    history.replaceState(null, "", `#${button.dataset.name}`);
  };
  const walk = (step) => {
    const visible = all("button.open", sheet).filter((button) => !button.closest("[hidden]"));
    const at = visible.indexOf(current);
    show(visible[(at + step + visible.length) % visible.length] || current);
  };
  buttons.forEach((button) => button.addEventListener("click", () => show(button)));
  viewer.addEventListener("close", () => {
    history.replaceState(null, "", location.pathname + location.search);
    viewer.replaceChildren();
    if (current) { current.focus(); current.scrollIntoView({ block: "nearest" }); }
  });
  viewer.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.matches("select")) return; // letters and arrows choose in it
    const onSlider = event.target.matches("input[type=range]");
    const step = { j: 1, k: -1, ArrowRight: onSlider ? 0 : 1, ArrowLeft: onSlider ? 0 : -1 }[event.key];
    if (step) { event.preventDefault(); walk(step); }
  });
  const follow = () => {
    const name = location.hash.slice(1);
    const button = name && buttons.find((candidate) => candidate.dataset.name === name);
    if (button && button !== current) show(button);
  };
  addEventListener("hashchange", follow);
  filter();
  follow();
})();
