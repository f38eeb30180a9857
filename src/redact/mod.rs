//! From [`Raw`] to [`Clean`]: the only way for text of the target's into a bundle.

mod text;

pub use text::{Clean, Raw};
