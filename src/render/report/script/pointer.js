// The pointer over the view over time: it points, drags a selection or one of its edges, and zooms by the wheel.

// A pointer that moved by less was not dragged.
const LEAST_DRAG_PIXELS = 4;
// How near to the edge of a selection a drag moves that edge.
const EDGE_PIXELS = 6;

class TimePointer {
    // It acts on the view, within the box that holds its lanes.
    constructor(view, box) {
        this.view = view;
        this.box = box;
        // The last event, and what is dragged: which selection, from where, and the end that stays.
        this.last = null;
        this.drag = null;
        const listeners = {
            pointerdown: event => this.pressed(event),
            pointermove: event => this.moved(event),
            pointerup: event => this.released(event),
            pointercancel: () => this.ended(),
            pointerleave: () => this.left(),
            dblclick: event => this.paperBelow(event) && view.clear(),
        };
        Object.entries(listeners).forEach(([name, listener]) => box.addEventListener(name, listener));
        // A wheel that zooms must not scroll the page.
        box.addEventListener("wheel", event => this.wheel(event), { passive: false });
    }

    get isDragging() {
        return this.drag !== null && this.drag.hasMoved;
    }

    // The moment that is pointed at; null where there is none.
    get at() {
        const isOnPaper = this.last !== null && (this.drag !== null || this.paperBelow(this.last) !== null);
        return isOnPaper ? this.momentOf(this.last) : null;
    }

    xOf(event) {
        return event.clientX - this.box.getBoundingClientRect().left;
    }

    momentOf(event) {
        return this.view.scale().atWithin(this.xOf(event));
    }

    // The canvas below a pointer; null where it is on a label, a legend or a marker. A captured pointer does not tell.
    paperBelow({ clientX, clientY }) {
        const below = document.elementFromPoint(clientX, clientY);
        const isPaper = below instanceof HTMLCanvasElement && this.box.contains(below);
        return isPaper && this.xOf({ clientX }) >= this.view.gutter - EDGE_PIXELS ? below : null;
    }

    pressed(event) {
        if (event.button !== 0 || this.paperBelow(event) === null) return;
        const kind = event.shiftKey ? "compare" : "range";
        const [x, at] = [this.xOf(event), this.momentOf(event)];
        this.drag = { kind, x, anchor: this.otherEdge(kind, x) ?? at, hasMoved: false };
        this.box.setPointerCapture(event.pointerId);
        this.view.cursor.takeFromPointer(at);
        event.preventDefault();
    }

    // Of a selection whose edge is near: the edge that stays where it is.
    otherEdge(kind, x) {
        const selected = this.view.state.get()[kind];
        if (!Array.isArray(selected)) return null;
        const scale = this.view.scale();
        const near = selected.findIndex(at => Math.abs(scale.x(at) - x) <= EDGE_PIXELS);
        return near < 0 ? null : selected[1 - near];
    }

    moved(event) {
        this.last = event;
        this.view.schedule();
        if (this.drag === null) return;
        this.drag.hasMoved ||= Math.abs(this.xOf(event) - this.drag.x) >= LEAST_DRAG_PIXELS;
        if (this.drag.hasMoved) this.view.select(this.drag.kind, [this.drag.anchor, this.momentOf(event)], "drag");
    }

    released(event) {
        if (this.drag === null) return;
        const { kind, anchor, hasMoved } = this.drag;
        const at = this.momentOf(event);
        this.ended();
        if (hasMoved) this.view.select(kind, [anchor, at], "step");
        this.view.cursor.takeFromPointer(at);
    }

    ended() {
        this.drag = null;
        this.view.schedule();
    }

    left() {
        this.last = null;
        this.view.hideTip();
        this.view.schedule();
    }

    // With Ctrl it zooms, with Shift or sideways it moves, else the page scrolls.
    wheel(event) {
        const isZoom = event.ctrlKey || event.metaKey;
        const isMove = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
        if ((!isZoom && !isMove) || this.paperBelow(event) === null) return;
        event.preventDefault();
        if (isZoom) this.view.zoom(Math.exp(event.deltaY * 0.003), this.momentOf(event));
        else this.view.move((event.deltaX || event.deltaY) * this.view.scale().usPerPixel);
    }
}
