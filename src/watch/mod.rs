//! `capture watch`: be there when it happens, and know what was before.
//!
//! ```text
//! observers -> memory -> rules -> limits -> capture -> bundle -> exec, upload
//! ```
//!
//! One thread goes round once a second: it looks who belongs to the proxy, feeds what was read to the rules, and
//! captures when they fire and the limits allow it. The observers go on meanwhile, so that a capture has its past and the
//! rules see when the spike is over.
//!
//! | room | what is in it |
//! |---|---|
//! | [`plan`] | what was typed, checked |
//! | [`vigil`] | one proxy while it is watched |
//! | [`feed`], [`trigger`] | what was read goes to the rules, and whether they are broken |
//! | [`rehearse`] | the same rules over recorded series |
//! | [`limits`] | when not to capture, what is kept, what a restart finds |
//! | [`take`], [`bundled`] | one capture with its past, and its bundle |
//! | [`calm`] | moments to hold a spike against |
//! | [`after`] | what happens with a bundle |
//! | [`events`], [`announcer`], [`metrics`], [`endpoint`] | who is told, and how |

pub mod after;
pub mod announcer;
pub mod bundled;
pub mod calm;
pub mod endpoint;
pub mod events;
pub mod feed;
pub mod limits;
pub mod metrics;
pub mod plan;
pub mod rehearse;
pub mod take;
pub mod trigger;
pub mod vigil;
mod watcher;

use crate::cli::WatchArgs;
use crate::environment::Own;
use crate::error::Failure;
use crate::plan::ResultForm;
use plan::WatchPlan;
use trigger::plan::RulesPlan;
use watcher::Watcher;

/// Watches until told to stop, or rehearses.
///
/// # Errors
/// Where it cannot begin, with the reason and the cure. Whatever happens later is told as an event.
pub fn run(args: WatchArgs, own: &Own) -> Result<u8, Failure> {
    if let Some(path) = &args.rehearse {
        let result = if args.output.json { ResultForm::Json } else { ResultForm::Path };
        return rehearse::rehearse(path, &RulesPlan::try_from(args.rules)?, result);
    }
    Watcher::prepare(&WatchPlan::try_from(args)?, own)?.run()
}
