//! Pages of a list that can be read in both directions.

use std::cmp::Ordering;

/// The part of a list that a page contains. A position need not be that of an existing entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk<P> {
    /// The beginning of the list.
    First,
    /// What follows this position in the list.
    After(P),
    /// What precedes this position in the list, up to it.
    Before(P),
}

impl<P> Walk<P> {
    /// Whether the page is read towards the beginning of the list.
    pub const fn is_backward(&self) -> bool {
        matches!(self, Self::Before(_))
    }

    /// The same part with another kind of position.
    pub fn map<Q>(self, map: impl FnOnce(P) -> Q) -> Walk<Q> {
        match self {
            Self::First => Walk::First,
            Self::After(position) => Walk::After(map(position)),
            Self::Before(position) => Walk::Before(map(position)),
        }
    }
}

/// The entries of a page, in the direction in which it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Walked<T, P> {
    /// The entries. Those of a page that was read backward are in the reverse order of the list.
    pub items: Vec<T>,
    /// The position from which the list goes on in this direction; `None` if it has ended.
    pub further: Option<P>,
}

impl<T, P> Walked<T, P> {
    /// An empty page of a list that has ended.
    pub const fn empty() -> Self {
        Self { items: Vec::new(), further: None }
    }
}

/// The page of a list that is in memory. `compare` is the order of the list.
pub fn page_of<T, P>(
    mut list: Vec<T>,
    position: impl Fn(&T) -> P,
    compare: impl Fn(&P, &P) -> Ordering,
    walk: &Walk<P>,
    limit: usize,
) -> Walked<T, P> {
    list.retain(|item| match walk {
        Walk::First => true,
        Walk::After(after) => compare(&position(item), after).is_gt(),
        Walk::Before(before) => compare(&position(item), before).is_lt(),
    });
    list.sort_by(|one, other| compare(&position(one), &position(other)));
    if walk.is_backward() {
        list.reverse();
    }
    let has_more = list.len() > limit;
    list.truncate(limit);
    let further = list.last().filter(|_| has_more).map(position);
    Walked { items: list, further }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_follows_or_precedes_a_position_and_is_read_from_there() {
        for (walk, items, further) in [
            (Walk::First, &[1, 3][..], Some(3)),
            (Walk::After(3), &[5, 7], None),
            (Walk::After(2), &[3, 5], Some(5)),
            (Walk::After(7), &[], None),
            (Walk::Before(7), &[5, 3], Some(3)),
            (Walk::Before(4), &[3, 1], None),
            (Walk::Before(1), &[], None),
            (Walk::Before(9), &[7, 5], Some(5)),
        ] {
            let page = page_of(vec![5, 1, 7, 3], |item| *item, i32::cmp, &walk, 2);
            assert_eq!(page, Walked { items: items.to_vec(), further }, "{walk:?}");
        }
        let descending = page_of(vec![1, 2, 3], |item| *item, |a: &i32, b| b.cmp(a), &Walk::After(3), 5);
        assert_eq!(descending, Walked { items: vec![2, 1], further: None });
    }
}
