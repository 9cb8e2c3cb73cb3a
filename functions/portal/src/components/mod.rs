//! Parts that several pages share.

mod badge;
mod block;
mod chart;
mod confirm;
mod copy;
mod explanation;
mod field;
mod filters;
mod json;
mod live;
mod pager;
mod status;
mod table;
mod time;

pub(crate) use badge::{Tone, badge};
pub(crate) use block::{block, empty};
pub(crate) use chart::{Axis, Bar, Chart, Series};
pub(crate) use confirm::confirmed;
pub(crate) use copy::{copy_button, copyable};
pub(crate) use explanation::{explanation, in_short};
pub(crate) use field::{Control, Entered, Field, checkbox, group};
pub(crate) use filters::{Filters, in_utc};
pub(crate) use json::pretty;
pub(crate) use live::{live, pause};
pub(crate) use pager::pager;
pub(crate) use status::{delivery_status, status_name};
pub(crate) use table::{Column, styled_table, table};
pub(crate) use time::{countdown, time};
