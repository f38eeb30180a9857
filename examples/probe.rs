use std::collections::HashMap;
use litellm_capture::os::proc::{Procfs};
use litellm_capture::os::clock::monotonic_us;
use litellm_capture::sample::native::worker::NativeWorker;
use litellm_capture::sample::Slice;
use litellm_capture::sample::native::record::State;
fn main() {
    let pid: i32 = std::env::args().nth(1).unwrap().parse().unwrap();
    let hz: u64 = std::env::args().nth(2).map_or(100, |v| v.parse().unwrap());
    let procfs = Procfs::default();
    let id = procfs.process(pid).id().unwrap();
    let epoch = monotonic_us();
    let mut w = match NativeWorker::attach(&procfs, id, 0) { Ok(w) => w, Err(e) => { println!("REFUSED {e}"); return; } };
    println!("self-check {:?}", w.self_check());
    let n = 3 * hz;
    let before = w.cost_us();
    for _ in 0..n { std::thread::sleep(std::time::Duration::from_micros(500_000 / hz + fastrand::u64(0..1_000_000 / hz))); w.tick(monotonic_us() - epoch); }
    let cost = w.cost_us() - before;
    let s = w.take_slice(Slice { from_us: 0, to_us: monotonic_us() - epoch });
    println!("cost per tick {} us; counts {:?}; kernel {:?}", cost as f64 / n as f64, s.counts, s.kernel_cpu_us);
    for t in &s.threads {
        let mut by: HashMap<String, (usize, usize)> = HashMap::new();
        for x in &t.samples {
            let mut names = vec![];
            let mut next = x.stack;
            while let Some(i) = next { let node = s.stacks[i as usize]; names.push(s.frames[node.frame as usize].function.clone()); next = node.parent; }
            names.reverse();
            let e = by.entry(names.join(";")).or_default(); e.0 += 1; e.1 += usize::from(x.state.has(State::TORN));
        }
        println!("thread {} {:?} {} python {} samples {} cpu {} on {} gil {} wait {}", t.tid, t.name, t.comm, t.python, t.samples.len(), t.samples.iter().map(|s| s.cpu_ns).sum::<u64>() / 1000, t.samples.iter().filter(|s| s.state.has(State::ON_CPU)).count(), t.samples.iter().filter(|s| s.state.has(State::GIL_HELD)).count(), t.samples.iter().filter(|s| s.state.has(State::GIL_WAITED)).count());
        let mut v: Vec<_> = by.into_iter().collect(); v.sort_by_key(|e| std::cmp::Reverse(e.1));
        for (k, c) in v.iter().take(std::env::args().nth(3).map_or(16, |v| v.parse().unwrap())) { println!("  {:?} {}", c, k); }
    }
}
