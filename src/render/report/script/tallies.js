// What the selection cost, added up: by function, by whose work of which kind, by thread, by worker.

// Functions with CPU now or then. Growth is for each request or second; null without a comparison.
function functionRows(flame, { now, then }) {
    const { functions, model } = flame;
    const after = flame.functionCosts(now.self);
    const before = then && flame.functionCosts(then.self);
    const growth = (costs, key) => before && after[costs][key] * now.each - before[costs][key] * then.each;
    const rows = [];
    for (let key = 0; key < functions.count; key += 1) {
        if (after.total[key] === 0 && !(before?.total[key] > 0)) {
            continue;
        }
        rows.push({
            key,
            label: functions.label[key],
            name: functions.name[key],
            file: functions.file[key] || model.head.kinds[functions.kind[key]],
            self: after.self[key],
            total: after.total[key],
            selfEach: after.self[key] * now.each,
            selfGrowth: growth("self", key),
            totalGrowth: growth("total", key),
        });
    }
    return rows;
}

// Threads that were sampled in a range, with their CPU in microseconds.
function threadRows(model, range) {
    const { workers, threads } = model.head;
    const rows = threads.map(({ worker, tid, name }, thread) => {
        const [from, to] = model.bounds(thread, range);
        const cpu = model.sumOf(thread, range);
        const selects = { worker, thread };
        return { name: oneLine(name), worker: workers[worker].label, tid, cpu, samples: to - from, selects };
    });
    return rows.filter(row => row.samples > 0);
}

function workerRows(model, range) {
    const threads = threadRows(model, range);
    const sum = (rows, value) => rows.reduce((all, row) => all + row[value], 0);
    return model.head.workers.map(({ label }, worker) => {
        const own = threads.filter(row => row.selects.worker === worker);
        const selects = { worker, thread: null };
        return { name: label, threads: own.length, cpu: sum(own, "cpu"), samples: sum(own, "samples"), selects };
    });
}

// CPU by owner and mechanism, the largest first; what grew of each owner, for each request or second.
function ownerMatrix(model, { now, then, per }) {
    const { owner, mechanism } = model.stacks;
    const { owners, mechanisms } = model.head;
    const cells = owners.map(() => new Float64Array(mechanisms.length));
    const byOwner = ownerCpu(model, now.self);
    const before = then && ownerCpu(model, then.self);
    const byMechanism = new Float64Array(mechanisms.length);
    for (let stack = 0; stack < now.self.length; stack += 1) {
        cells[owner[stack]][mechanism[stack]] += now.self[stack];
        byMechanism[mechanism[stack]] += now.self[stack];
    }
    const columns = largestFirst(byMechanism, index => byMechanism[index] > 0);
    const rows = largestFirst(byOwner, index => byOwner[index] > 0 || before?.[index] > 0);
    return {
        per,
        whole: now.total,
        mechanisms: columns.map(index => ({ name: mechanisms[index] || "not told", cpu: byMechanism[index] })),
        owners: rows.map(index => ({
            name: owners[index] || "not told",
            cpu: byOwner[index],
            growth: before && byOwner[index] * now.each - before[index] * then.each,
            cells: columns.map(column => cells[index][column]),
        })),
    };
}

function largestFirst(cpu, isShown) {
    return Array.from(cpu.keys()).filter(isShown).sort((a, b) => cpu[b] - cpu[a]);
}
