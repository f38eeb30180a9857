//! The disk guard: nothing is begun that would fill the file system, on which the proxy may live too.

use super::plan::LimitsPlan;
use super::skip::Skip;
use crate::os::space::Space;

/// Whether a capture whose bundle is as large as the last one leaves enough in the folder of the bundles.
///
/// # Errors
/// With the figures, before anything is written.
pub fn guard(plan: &LimitsPlan, bundle_bytes: u64) -> Result<(), Skip> {
    match Space::below(&plan.folder) {
        Ok(space) => enough(plan, space, bundle_bytes),
        Err(error) => Err(Skip::DiskUnknown { folder: plan.folder.display().to_string(), why: error.to_string() }),
    }
}

fn enough(plan: &LimitsPlan, space: Space, bundle_bytes: u64) -> Result<(), Skip> {
    let share_bytes = (space.total_bytes as f64 * plan.min_free_share) as u64;
    let floors = [("--min-free", plan.min_free_bytes), ("--min-free-share", share_bytes)];
    let left_bytes = space.free_bytes.saturating_sub(bundle_bytes);
    let broken = floors.into_iter().filter(|(_, floor)| left_bytes < *floor).max_by_key(|(_, floor)| *floor);
    match broken {
        None => Ok(()),
        Some((option, must_leave_bytes)) => Err(Skip::Disk {
            folder: plan.folder.display().to_string(),
            free_bytes: space.free_bytes,
            must_leave_bytes,
            bundle_bytes,
            option,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::LimitArgs;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn refusal(free_bytes: u64, total_bytes: u64, bundle_bytes: u64) -> Option<(u64, &'static str)> {
        let typed = Typed::parse_from(["watch", "--min-free", "100MB", "--min-free-share", "5%"]);
        let plan = LimitsPlan::try_from((typed.limits, "/bundles".into())).unwrap();
        match enough(&plan, Space { free_bytes, total_bytes }, bundle_bytes) {
            Err(Skip::Disk { must_leave_bytes, option, .. }) => Some((must_leave_bytes, option)),
            other => other.map_or_else(|skip| panic!("{skip:?}"), |()| None),
        }
    }

    #[test]
    fn the_last_bundle_has_to_fit_in_beside_what_must_stay_free() {
        assert_eq!(refusal(100_000_000, 1_000_000_000, 0), None);
        assert_eq!(refusal(100_000_000, 1_000_000_000, 1), Some((100_000_000, "--min-free")));
        assert_eq!(refusal(5, 1_000_000_000, 10), Some((100_000_000, "--min-free")));
    }

    #[test]
    fn the_larger_of_both_floors_is_told() {
        assert_eq!(refusal(400_000_000, 10_000_000_000, 0), Some((500_000_000, "--min-free-share")));
        assert_eq!(refusal(500_000_000, 10_000_000_000, 0), None);
    }
}
