//! SVG text, element by element, and how wide its words are.

use std::fmt::Write as _;

use crate::render::escape::escaped;

/// The family that is embedded for the PNG, then what looks like it where the SVG is shown.
const FAMILY: &str = "'DejaVu Sans',Verdana,sans-serif";
/// Widths of the characters from space to tilde in DejaVu Sans, in thousandths of the size of the font.
const ADVANCES: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
];
/// What any other character takes at most, but for ideographs, which no name of a host is written in.
const WIDE: u16 = 1000;

/// Where a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// In pixels of the view box.
    pub size: f64,
    /// As in SVG.
    pub colour: &'static str,
    /// Where it stands.
    pub anchor: Anchor,
}

/// A drawing in the making.
#[derive(Debug)]
pub struct Svg(String);

impl Svg {
    /// White paper with a name that a screen reader tells.
    pub fn new(width: f64, height: f64, name: &str) -> Self {
        let (width, height) = (num(width), num(height));
        let mut text = String::new();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILY}\" role=\"img\">\n\
             <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>",
            escaped(name),
        );
        Self(text)
    }

    /// Elements that are put into another drawing later.
    pub fn part() -> Self {
        Self(String::new())
    }

    /// Puts the elements of another drawing on top.
    pub fn append(&mut self, part: Self) {
        self.0.push_str(&part.0);
    }

    /// A rectangle without an edge.
    pub fn rect(&mut self, (left, top, width, height): (f64, f64, f64, f64), fill: &str) {
        let [x, y, width, height] = [left, top, width, height].map(num);
        let _ = writeln!(self.0, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {fill}/>");
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(num);
        let _ = writeln!(self.0, "<path d=\"M{x1} {y1}L{x2} {y2}\" {stroke}/>");
    }

    /// A path; nothing where it is empty.
    pub fn path(&mut self, path: &str, look: &str) {
        if !path.is_empty() {
            let _ = writeln!(self.0, "<path d=\"{path}\" {look}/>");
        }
    }

    /// One line of text with a white edge, so that it can be read on whatever it lies.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, style: Style) {
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let _ = writeln!(
            self.0,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{anchor} stroke=\"#fff\" stroke-width=\"3\" \
             stroke-linejoin=\"round\" paint-order=\"stroke\">{}</text>",
            num(x),
            num(y),
            num(style.size),
            style.colour,
            escaped(text),
        );
    }

    /// The whole drawing.
    pub fn done(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// A coordinate to a tenth of a pixel.
pub fn num(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    // Adding nought makes the negative nought an ordinary one.
    format!("{}", tenths + 0.0)
}

/// How wide a text is, in pixels.
pub fn width(text: &str, size: f64) -> f64 {
    let advance = |character: char| {
        let index = (character as usize).checked_sub(' ' as usize);
        f64::from(index.and_then(|index| ADVANCES.get(index)).copied().unwrap_or(WIDE))
    };
    text.chars().map(advance).sum::<f64>() * size / 1_000.0
}

/// The text, cut so that it is not wider than there is room for.
pub fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        cut.push(character);
        if width(&cut, size) + width("…", size) > room {
            cut.pop();
            break;
        }
    }
    cut.truncate(cut.trim_end().len());
    cut + "…"
}

/// The text in lines that are not wider than there is room for; where it needs more lines than may be, the last one
/// ends with dots.
pub fn wrapped(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        // What is too much for the last line is cut off at the end.
        if line.is_empty() || lines.len() + 1 >= most || width(&longer, size) <= room {
            line = longer;
        } else {
            lines.push(std::mem::replace(&mut line, word.to_owned()));
        }
    }
    lines.push(line);
    lines.iter_mut().for_each(|line| *line = fitted(line, size, room));
    lines.truncate(most);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        assert_eq!([0.0, -0.01, 12.0, 3.14159].map(num), ["0", "0", "12", "3.1"]);
    }

    #[test]
    fn long_text_is_cut_and_wrapped_to_its_room() {
        assert_eq!(fitted("short", 12.0, 100.0), "short");
        let cut = fitted(&"long name ".repeat(20), 12.0, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 100.0, "{cut}");
        let lines = wrapped(&"several words ".repeat(9), 12.0, 100.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| width(line, 12.0) <= 100.0), "{lines:?}");
        assert!(lines[2].ends_with('…'));
        assert_eq!(wrapped("a b", 12.0, 100.0, 3), ["a b"]);
    }
}
