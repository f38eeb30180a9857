//! A chart as a PNG: what a ticket can show. It is drawn from the SVG with an embedded font, so that both are the same
//! picture on every machine.

use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

/// Pixels of the PNG for each of the SVG's: fine screens show it sharp.
const SCALE: f32 = 2.0;
/// A subset of DejaVu Sans, see the README beside it.
static FONT: &[u8] = include_bytes!("font/DejaVuSans.ttf");
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(FONT.to_vec());
    Arc::new(fonts)
});

/// Draws one of our SVGs, twice as large.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    let options = Options { fontdb: FONTS.clone(), font_family: "DejaVu Sans".to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).context("the chart's SVG cannot be read")?;
    let size = tree.size().to_int_size().scale_by(SCALE).context("the chart has no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the chart is too large")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().context("the chart cannot be packed")
}
