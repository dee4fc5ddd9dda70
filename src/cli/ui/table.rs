//! Columns without borders, so that they can be cut and searched.

use super::paint::{Colour, Paint};

/// A table under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    /// A cell in a colour.
    pub fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        Cell {
            text: text.into(),
            colour: Some(colour),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell {
            text: text.into(),
            colour: None,
        }
    }
}

impl Table {
    /// A table with a heading.
    pub fn new(heading: &[&str]) -> Self {
        let heading = heading
            .iter()
            .map(|text| Cell::coloured(*text, Colour::Strong));
        Table {
            rows: vec![heading.collect()],
        }
    }

    /// A table without a heading.
    pub fn bare() -> Self {
        Table::default()
    }

    /// Adds a row; an empty cell is shown as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The text: two blanks between columns, none at the end of a line.
    pub fn text(&self, paint: Paint) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| shown(cell).chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let plain = shown(cell);
                let padding = width - plain.chars().count();
                line.push_str(&match cell.colour {
                    Some(colour) => paint.text(colour, plain),
                    None => plain.to_owned(),
                });
                if at + 1 < row.len() {
                    line.push_str(&" ".repeat(padding + 2));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn shown(cell: &Cell) -> &str {
    if cell.text.is_empty() {
        "-"
    } else {
        &cell.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_whatever_its_colour() {
        let mut table = Table::new(&["NAME", "PHASE", "REASON"]);
        table.row(["a".into(), Cell::coloured("Ready", Colour::Good), "".into()]);
        table.row(["genomics".into(), "Held".into(), "DataLost".into()]);
        assert_eq!(
            table.text(Paint::new(false)),
            "NAME      PHASE  REASON\na         Ready  -\ngenomics  Held   DataLost\n"
        );
        let coloured = table.text(Paint::new(true));
        assert!(
            coloured.contains("a         \u{1b}[32mReady\u{1b}[0m  -\n"),
            "{coloured:?}"
        );
    }
}
