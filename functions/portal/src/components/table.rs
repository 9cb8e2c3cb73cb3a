//! Tables. On a narrow screen each row is a card.

use maud::{Markup, html};

/// A column, with its heading.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    Text(&'static str),
    /// Numbers are aligned.
    Number(&'static str),
    /// Only screen readers have the heading.
    Unseen(&'static str),
}

/// A table with these columns. Each row is a `tr`.
pub(crate) fn table(columns: &[Column], rows: &Markup) -> Markup {
    styled_table("cards", columns, rows)
}

/// A table with these classes.
pub(crate) fn styled_table(classes: &str, columns: &[Column], rows: &Markup) -> Markup {
    html! {
        div.scroll {
            table class=(classes) {
                thead {
                    tr {
                        @for column in columns {
                            @match column {
                                Column::Text(heading) => th scope="col" { (heading) },
                                Column::Number(heading) => th.number scope="col" { (heading) },
                                Column::Unseen(heading) => th scope="col" { span.unseen { (heading) } },
                            }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}
