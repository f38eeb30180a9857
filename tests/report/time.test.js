// The view over time: what is shown at first, and events that share a marker.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.js";

const { TimeScale, eventMarkers, spikeStretch, stretchOfEvents, timeBounds } = load(
    "TimeScale",
    "eventMarkers",
    "spikeStretch",
    "stretchOfEvents",
    "timeBounds",
);

const S = 1e6;

function model(capture, ...tables) {
    return { head: { capture }, series: tables.map(times => ({ at: Float64Array.from(times, time => time * S) })) };
}

test("all that can be shown is all that was recorded, sampled or not", () => {
    const watched = model({ from_us: 100 * S, to_us: 130 * S }, [1, 2, 131], []);
    assert.deepEqual(timeBounds(watched), [S, 131 * S]);
    const bare = timeBounds(model({ from_us: 0, to_us: 0 }));
    assert.ok(bare[1] > bare[0], "even of nothing there is an axis");
});

test("at first the spike is shown, from its beginning on", () => {
    const watched = model({ from_us: 100 * S, to_us: 130 * S, spike_from_us: 80 * S }, [1, 131]);
    assert.deepEqual(spikeStretch(watched, [S, 131 * S]), [76 * S, 131 * S]);
    const asked = model({ from_us: 0, to_us: 10 * S, spike_from_us: null });
    assert.deepEqual(spikeStretch(asked, [0, 10 * S]), [0, 10 * S]);
});

test("events that would lie upon each other share a marker", () => {
    const events = [1, 1.1, 5, 50].map(second => ({ at_us: second * S, until_us: null }));
    const markers = eventMarkers(events, new TimeScale([0, 10 * S], [0, 1000]));
    assert.deepEqual(
        markers.map(({ x, events: own }) => [x, own.length]),
        [
            [100, 2],
            [500, 1],
        ],
    );
});

test("the stretch of an event is long enough to be looked at", () => {
    const event = (at, until) => ({ at_us: at * S, until_us: until === null ? null : until * S });
    assert.deepEqual(stretchOfEvents([event(5, null)], [0, 10 * S]), [4.5 * S, 5.5 * S]);
    assert.deepEqual(stretchOfEvents([event(5, 8)], [0, 10 * S]), [5 * S, 8 * S]);
    assert.deepEqual(stretchOfEvents([event(0, null), event(2, null)], [0, 10 * S]), [0, 2 * S]);
});
