//! The verdict as a whole: facts in, sentences and figures out.

mod changed;
mod classes;
mod loads;
mod properties;
mod scene;
mod spread;
mod stalls;

use scene::{Scene, rps};

use super::{Facts, Verdict, analyse};

fn verdict(scene: Scene) -> Verdict {
    analyse(&scene.done())
}

#[test]
fn facts_without_anything_are_judged_with_words() {
    let verdict = analyse(&Scene::empty().done());
    let class = verdict.classification.unwrap();
    assert_eq!(
        class.sentence,
        "There is nothing to hold the capture against: no baseline was given, and what the proxy had used until then was \
         not read."
    );
    assert_eq!((verdict.heat, verdict.stall, verdict.comparison), (None, None, None));
    assert!(verdict.owners.is_empty() && verdict.changes.is_empty());
}
