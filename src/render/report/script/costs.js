// What the selection cost and what it is held against: CPU by stack, now and then, each with the seconds and requests
// that it is divided by.

// CPU of the selection, `now`, and of what it is compared with, `then` (null where it is with nothing; `missing` says
// why where that was asked for). `per` is "request" only where requests are known on all sides.
function costsOf(model, { range, worker, thread, compare, per }) {
    const now = sideOf(model, { range, worker, thread });
    const { then, missing } = otherSideOf(model, { worker, thread, compare });
    const counted = now.requests > 0 && (then === null || then.requests > 0);
    const unit = per === "request" && counted ? "request" : "second";
    for (const side of [now, then]) {
        if (side) {
            const units = unit === "request" ? side.requests : side.seconds;
            side.each = units > 0 ? 1 / units : 0;
        }
    }
    return { now, then, missing, per: unit };
}

function otherSideOf(model, { worker, thread, compare }) {
    if (compare === null) {
        return { then: null, missing: null };
    }
    if (compare !== "baseline") {
        const then = sideOf(model, { range: compare, worker, thread });
        const missing = "Nothing was sampled in the range that is to be compared with.";
        return then.seconds > 0 ? { then, missing: null } : { then: null, missing };
    }
    const { baseline } = model.head;
    if (!baseline) {
        return { then: null, missing: "This capture has no baseline." };
    }
    if (baseline.stacks_missing) {
        return { then: null, missing: `The baseline has no stacks: ${baseline.stacks_missing}.` };
    }
    if (worker !== null || thread !== null) {
        const missing = "The baseline is known for all workers together: choose all workers to compare with it.";
        return { then: null, missing };
    }
    const { seconds, requests } = baseline;
    return { then: { ...model.baselineWeights(), seconds, requests }, missing: null };
}

function sideOf(model, { range, worker, thread }) {
    const { capture } = model.head;
    const weights = model.weigh({ range, worker, thread });
    if (range === null) {
        return { ...weights, seconds: capture.wall_seconds, requests: capture.requests };
    }
    // Where nothing was sampled nothing is known: that part of a range costs no time.
    const sampled = [Math.max(range[0], capture.from_us), Math.min(range[1], capture.to_us)];
    const seconds = Math.max(0, sampled[1] - sampled[0]) / 1e6;
    return { ...weights, seconds, requests: seconds > 0 ? model.requests(sampled) : null };
}

// Why it is not compared, or not as was asked for, in sentences.
function refusals({ then, missing, per }, asked) {
    const isOtherUnit = then !== null && asked === "request" && per === "second";
    const words = "Compared for each second: requests were not counted on both sides.";
    return [...(missing ? [missing] : []), ...(isOtherUnit ? [words] : [])];
}

function stacksMissingWords(model) {
    return `There are no stacks, and so no functions: ${model.head.capture.stacks_missing}.`;
}
