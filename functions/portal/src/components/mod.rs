//! Parts that several pages share.

mod badge;
mod chart;
mod copy;
mod field;
mod pager;
mod time;

pub(crate) use badge::{Tone, badge};
pub(crate) use chart::{Axis, Bar, Chart, Series};
pub(crate) use copy::copyable;
pub(crate) use field::{Entered, Field, checkbox, group};
pub(crate) use pager::pager;
pub(crate) use time::time;
