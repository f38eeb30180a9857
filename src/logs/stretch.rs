//! A part of the logs as it came: the lines before the capture, or those during it.

use crate::redact::Raw;

/// A part of the logs.
#[derive(Debug, Clone, Default)]
pub struct Stretch(pub Vec<Part>);

/// The part that one file holds.
#[derive(Debug, Clone)]
pub struct Part {
    /// What the file is.
    pub title: String,
    /// Its lines, in order.
    pub pieces: Vec<Piece>,
}

/// Lines, or what is missing between them.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Whole lines.
    Text(Raw),
    /// So many bytes are left out.
    Cut(u64),
}

impl Stretch {
    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|part| part.pieces.is_empty())
    }
}
