//! The limits: typed and checked.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::LimitArgs;
use crate::error::Failure;
use crate::plan::{percent, size, time, usage};

/// Where the limits are remembered, in the folder of the bundles.
const STATE_DIR: &str = ".capture-watch";

/// When not to capture, and what is kept.
#[derive(Debug, Clone)]
pub struct LimitsPlan {
    /// How long none is made after a capture.
    pub cooldown: Duration,
    /// Unless the peak is higher than the last one's by this share of it.
    pub higher_share: f64,
    /// So many captures may begin within the window.
    pub max_captures: usize,
    /// The time in which captures are counted.
    pub window: Duration,
    /// What a capture must leave free.
    pub min_free_bytes: u64,
    /// The same as a share of the file system.
    pub min_free_share: f64,
    /// So many bundles are kept.
    pub keep: usize,
    /// How old a bundle may become; none where its age is no reason.
    pub keep_for: Option<Duration>,
    /// What all bundles may take together.
    pub keep_bytes: u64,
    /// The folder of the bundles.
    pub folder: PathBuf,
    /// Where the limits are remembered.
    pub state_dir: PathBuf,
}

impl TryFrom<(LimitArgs, PathBuf)> for LimitsPlan {
    type Error = Failure;

    /// Of the options and the folder of the bundles.
    fn try_from((args, folder): (LimitArgs, PathBuf)) -> Result<Self, Failure> {
        let state_dir = args.state_dir.unwrap_or_else(|| folder.join(STATE_DIR));
        // The paths of bundles are remembered as text.
        if let Some(path) = [&folder, &state_dir].into_iter().find(|path| path.to_str().is_none()) {
            return Err(usage(format!("{} is not UTF-8", path.display()), "name a folder in UTF-8"));
        }
        Ok(Self {
            cooldown: time("--cooldown", &args.cooldown)?,
            higher_share: percent("--higher", &args.higher)? / 100.0,
            max_captures: args.max_captures as usize,
            window: time("--window", &args.window)?,
            min_free_bytes: size("--min-free", &args.min_free)?,
            min_free_share: percent("--min-free-share", &args.min_free_share)? / 100.0,
            keep: args.keep as usize,
            keep_for: args.keep_for.map(|text| time("--keep-for", &text)).transpose()?,
            keep_bytes: size("--keep-bytes", &args.keep_bytes)?,
            folder,
            state_dir,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn plan(args: &[&str]) -> Result<LimitsPlan, Failure> {
        let typed = Typed::parse_from([&["watch"], args].concat());
        LimitsPlan::try_from((typed.limits, PathBuf::from("/bundles")))
    }

    #[test]
    fn what_is_not_typed_is_as_the_options_say() {
        let plan = plan(&[]).unwrap();
        assert_eq!((plan.cooldown, plan.window), (Duration::from_mins(10), Duration::from_hours(24)));
        assert_eq!((plan.max_captures, plan.keep, plan.keep_for), (10, 20, None));
        assert_eq!((plan.min_free_bytes, plan.keep_bytes), (100_000_000, 500_000_000));
        assert!((plan.higher_share - 0.25).abs() < 1e-9 && (plan.min_free_share - 0.05).abs() < 1e-9);
        assert_eq!(plan.state_dir, PathBuf::from("/bundles/.capture-watch"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_options_name() {
        for (args, says) in [
            (["--cooldown", "10"], "--cooldown 10: not a time"),
            (["--window", "0s"], "--window 0s: not a time"),
            (["--keep-for", "old"], "--keep-for old: not a time"),
            (["--higher", "much"], "--higher much: not a percentage"),
            (["--min-free", "100"], "--min-free 100: not a size"),
            (["--keep-bytes", "0MB"], "--keep-bytes 0MB: not a size"),
        ] {
            assert_eq!(plan(&args).unwrap_err().to_string(), says);
        }
        assert_eq!(plan(&["--state-dir", "/state"]).unwrap().state_dir, PathBuf::from("/state"));
    }
}
