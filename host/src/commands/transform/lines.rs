//! Lines out of pieces, each of them bounded.

/// What has come of a line.
pub struct Lines {
    line: Vec<u8>,
    /// In bytes.
    longest: usize,
    /// What was longer is gone.
    is_too_long: bool,
}

/// A line without its line break; none: it was too long.
pub type Line = Option<Vec<u8>>;

impl Lines {
    /// A line has at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self {
            line: Vec::new(),
            longest,
            is_too_long: false,
        }
    }

    /// Takes the next bytes: the lines that end in them. Empty ones are left out.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut parts = piece.split(|byte| *byte == b'\n');
        self.extend(parts.next().unwrap_or_default());
        for part in parts {
            lines.extend(self.finish());
            self.extend(part);
        }
        lines
    }

    /// The line ends here.
    pub fn finish(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.line);
        match std::mem::take(&mut self.is_too_long) {
            true => Some(None),
            false => (!line.is_empty()).then_some(Some(line)),
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.is_too_long |= self.line.len() + bytes.len() > self.longest;
        match self.is_too_long {
            true => self.line.clear(),
            false => self.line.extend_from_slice(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_costs_no_other() {
        let text = b"a\n\nbcd\nefgh\ni\njklmno";
        for length in 1..text.len() {
            let mut lines = Lines::new(3);
            let mut found: Vec<Line> = text
                .chunks(length)
                .flat_map(|piece| lines.push(piece))
                .collect();
            found.extend(lines.finish());
            let line = |text: &str| Some(text.as_bytes().to_vec());
            let expected = [line("a"), line("bcd"), None, line("i"), None];
            assert_eq!(found, expected, "in pieces of {length}");
        }
    }
}
