//! Cooldown, high-water mark and window: pure, over the captures that there were.

use super::moment::Moment;
use super::plan::LimitsPlan;
use super::skip::Skip;
use super::state::Capture;

/// Whether a spike with this peak, a share of what may be used, may be captured now.
///
/// # Errors
/// With the limit that forbids it. A peak high enough ends the cooldown; nothing widens the window.
pub fn decide(captures: &[Capture], peak: f64, plan: &LimitsPlan, now: &Moment) -> Result<(), Skip> {
    let cooldown = plan.cooldown.as_secs_f64();
    let left = |capture: &Capture| cooldown - now.seconds_since(&capture.ended);
    let cooling = || captures.iter().filter(|capture| left(capture) > 0.0);
    let left_seconds = cooling().map(left).fold(0.0, f64::max);
    if left_seconds > 0.0 {
        // One whose peak is not known may have been as high as this.
        let highest = cooling().map(|capture| capture.peak).try_fold(0.0, |high, peak| Some(f64::max(high, peak?)));
        let mark = highest.map(|peak| peak * (1.0 + plan.higher_share));
        if mark.is_none_or(|mark| peak.is_nan() || peak <= mark) {
            return Err(Skip::Cooldown { left_seconds, peak, mark });
        }
    }
    let window_seconds = plan.window.as_secs_f64();
    let mut left_in_window: Vec<f64> = captures
        .iter()
        .map(|capture| window_seconds - now.seconds_since(&capture.began))
        .filter(|left| *left > 0.0)
        .collect();
    left_in_window.sort_by(|a, b| f64::total_cmp(b, a));
    // The one that has to leave the window before the next may begin.
    match left_in_window.get(plan.max_captures.saturating_sub(1)) {
        None => Ok(()),
        Some(&left_seconds) => Err(Skip::TooMany { max_captures: plan.max_captures, window_seconds, left_seconds }),
    }
}
