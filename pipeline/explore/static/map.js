"use strict";
// A rectangle drawn on the map is a view: its borders go into the address. The form does the same.
const map = document.querySelector("#map");
if (map) {
  const frame = Object.fromEntries(
    ["x", "y", "width", "height"].map((name) => [name, Number(map.dataset[name])]),
  );
  let first = null;
  let brush = map.querySelector(".brush");

  const placed = (event) => {
    const box = map.getBoundingClientRect();
    const within = (value) => Math.min(1, Math.max(0, value));
    return {
      x: within((event.clientX - box.left) / box.width),
      y: within((event.clientY - box.top) / box.height),
    };
  };

  const sides = (one, other) => ({
    left: Math.min(one.x, other.x), right: Math.max(one.x, other.x),
    top: Math.min(one.y, other.y), bottom: Math.max(one.y, other.y),
  });

  const draw = ({ left, right, top, bottom }) => {
    if (!brush) {
      brush = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      brush.setAttribute("class", "brush");
      map.append(brush);
    }
    const side = map.viewBox.baseVal.width;
    brush.setAttribute("x", left * side);
    brush.setAttribute("y", top * side);
    brush.setAttribute("width", (right - left) * side);
    brush.setAttribute("height", (bottom - top) * side);
  };

  map.addEventListener("pointerdown", (event) => {
    first = placed(event);
    map.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  map.addEventListener("pointermove", (event) => {
    if (first) draw(sides(first, placed(event)));
  });
  map.addEventListener("pointerup", (event) => {
    if (!first) return;
    const { left, right, top, bottom } = sides(first, placed(event));
    first = null;
    if (right - left < 0.005 || bottom - top < 0.005) return;
    const area = [
      frame.x + left * frame.width, frame.x + right * frame.width,
      frame.y + (1 - bottom) * frame.height, frame.y + (1 - top) * frame.height,
    ];
    const address = new URL(map.dataset.address, location.href);
    address.searchParams.set("area", area.map((value) => value.toPrecision(5)).join(","));
    location.href = address;
  });
}
