// What the mouse, a pen and fingers do on the image.

import { boxBetween, handleAt, markAt, moved, outline, bounds, resized, withCorner } from "./draw.js";
import { dragged } from "./window.js";

const REACH = { mouse: 8, pen: 10, touch: 18 };
const A_CLICK = 3;

/** Lets pointers act on a viewer by its tool. Two fingers zoom and pan with every tool, the right button sets the window.
 * Returns what ends a drag in its midst, as if it had not begun. */
export function listen(viewer, canvas) {
  const fingers = new Map();
  let drag = null;
  let pinch = null;

  const at = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!viewer.picture || event.button > 2) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    if (fingers.size === 2) {
      drag?.cancel?.();
      drag = null;
      pinch = spread([...fingers.values()]);
      return;
    }
    if (fingers.size === 1) drag = begun(viewer, at(event), event);
  });

  canvas.addEventListener("pointermove", (event) => {
    const point = at(event);
    viewer.hover(point);
    if (!fingers.has(event.pointerId)) {
      point.reach = REACH[event.pointerType] ?? 8;
      canvas.style.cursor = cursor(viewer, point);
      viewer.drafted(viewer.view.toImage(point));
      return;
    }
    fingers.set(event.pointerId, point);
    if (pinch && fingers.size === 2) {
      const now = spread([...fingers.values()]);
      viewer.panBy(now.middle[0] - pinch.middle[0], now.middle[1] - pinch.middle[1]);
      viewer.zoomBy(now.apart / pinch.apart, now.middle);
      pinch = now;
    } else drag?.move(point, event);
  });

  const end = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    pinch = null;
    if (event.type === "pointercancel") drag?.cancel?.();
    else drag?.end?.(at(event), event);
    drag = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => viewer.hover(null));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", (event) => {
    if (viewer.tool === "polygon") viewer.closeOutline();
    else if (viewer.tool === "select" && viewer.editable) viewer.askName(markUnder(viewer, at(event), REACH.mouse));
  });
  canvas.addEventListener("wheel", (event) => {
    if (!viewer.picture) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0015;  // a pinch on a pad comes as a wheel with Ctrl
    viewer.zoomBy(Math.exp(-event.deltaY * lines * speed), at(event));
  }, { passive: false });
  return () => {
    drag?.cancel?.();
    drag = pinch = null;
    fingers.clear();
  };
}

function spread([[x, y], [u, v]]) {
  return { apart: Math.max(1, Math.hypot(u - x, v - y)), middle: [(x + u) / 2, (y + v) / 2] };
}

const markUnder = (viewer, point, reach) => (
  viewer.editable && viewer.editable.visible && !viewer.hidden
    ? markAt(viewer.editable.marks, viewer.view.toImage(point), reach / viewer.view.scale) : -1
);

/** The smallest of the marks at a point that are only looked at, as [layer, number]; undefined where there is none. */
function otherUnder(viewer, point, reach) {
  if (viewer.hidden) return undefined;
  const place = viewer.view.toImage(point);
  const found = viewer.layers.filter((layer) => layer.visible && !layer.editable)
    .map(({ id, marks }) => ({ id, marks, at: markAt(marks, place, reach / viewer.view.scale) })).filter(({ at }) => at >= 0);
  const best = found[markAt(found.map(({ marks, at }) => marks[at]), place, Infinity)];
  return best && [best.id, best.at];
}

function handleUnder(viewer, point, reach) {
  const mark = viewer.hidden ? null : viewer.chosen;
  return mark && handleAt(mark, viewer.view.toImage(point), reach / viewer.view.scale);
}

function cursor(viewer, point) {
  const { tool } = viewer;
  if (tool === "select") {
    const handle = handleUnder(viewer, point, point.reach);
    if (handle) return handle.cursor;
    if (markUnder(viewer, point, point.reach / 2) >= 0) return "move";
    return otherUnder(viewer, point, point.reach / 2) ? "pointer" : "grab";
  }
  return { pan: "grab", window: "ns-resize" }[tool] ?? "crosshair";
}

/** What a press starts: `move` and `end` take points of the screen. */
function begun(viewer, start, event) {
  const tool = event.button === 2 ? "window" : event.button === 1 ? "pan" : viewer.tool;
  return { pan: panning, window: windowing, box: boxing, polygon: cornering, ruler: ruling, select: selecting }[tool](
    viewer, start, REACH[event.pointerType] ?? 8,
  );
}

function panning(viewer, start, click) {
  let last = start;
  return {
    move(point) {
      viewer.panBy(point[0] - last[0], point[1] - last[1]);
      last = point;
    },
    end(point) {
      if (typeof click === "function" && Math.hypot(point[0] - start[0], point[1] - start[1]) < A_CLICK) click();
    },
  };
}

function windowing(viewer, start) {
  const before = viewer.window;
  return {
    move(point, { shiftKey }) {
      const finer = shiftKey ? 0.25 : 1;
      viewer.window = dragged(before, (point[0] - start[0]) * finer, (point[1] - start[1]) * finer, viewer.usual);
    },
    cancel() { viewer.window = before; },
  };
}

function boxing(viewer, start) {
  if (!viewer.editable) return { move() {} };
  const from = viewer.view.toImage(start);
  const box = (point) => boxBetween(from, viewer.view.toImage(point), viewer.view.image);
  return {
    move(point) { viewer.draft({ box: box(point) }); },
    end(point) {
      viewer.draft(null);
      const far = Math.abs(point[0] - start[0]) >= A_CLICK && Math.abs(point[1] - start[1]) >= A_CLICK;
      if (far && box(point)) viewer.add({ box: box(point), polygon: [] });
    },
    cancel() { viewer.draft(null); },
  };
}

function cornering(viewer, start, reach) {
  if (!viewer.editable) return { move() {} };
  return {
    move(point) { viewer.drafted(viewer.view.toImage(point)); },
    end(point) { viewer.corner(viewer.view.toImage(point), reach / viewer.view.scale); },
  };
}

function ruling(viewer, start) {
  const from = viewer.view.toImage(start);
  return {
    move(point) { viewer.ruler = [from, viewer.view.toImage(point)]; },
    end(point) { if (Math.hypot(point[0] - start[0], point[1] - start[1]) < A_CLICK) viewer.ruler = null; },
  };
}

function selecting(viewer, start, reach) {
  const handle = handleUnder(viewer, start, reach);
  const number = handle ? viewer.selected : markUnder(viewer, start, reach / 2);
  if (number < 0) {
    const other = otherUnder(viewer, start, reach / 2);
    return panning(viewer, start, () => (other ? viewer.pick(...other) : viewer.select(-1)));
  }
  if (number !== viewer.selected) viewer.select(number);
  const size = viewer.view.image;
  const from = viewer.view.toImage(start);
  const whole = viewer.chosen;
  let held = handle;
  const before = held?.between ? withCorner(whole, held.number, held.at) : whole;
  if (held?.between) held = { number: held.number + 1 };
  else if (held) viewer.cornerChosen = whole.polygon?.length ? held.number : -1;
  let changed = false;
  return {
    move(point) {
      if (!changed && Math.hypot(point[0] - start[0], point[1] - start[1]) < A_CLICK) return;
      changed = true;
      const [x, y] = viewer.view.toImage(point);
      const [across, down] = [x - from[0], y - from[1]];
      // what was pressed beside a handle stays beside it
      const mark = held
        ? resized(before, held.number, handle ? [handle.at[0] + across, handle.at[1] + down] : [x, y], size)
        : moved(before, across, down, size);
      viewer.preview(mark);
    },
    end() { if (changed) viewer.settle(held ? "resize" : "move"); },
    cancel() { viewer.preview(whole); },
  };
}

/** An outline of corners, closed; null where it is none. */
export function closed(points, size) {
  const polygon = outline(points, size);
  return polygon && { polygon, box: bounds(polygon) };
}
