//! Parts that several pages share.

mod badge;
mod chart;
mod copy;
mod explanation;
mod field;
mod json;
mod pager;
mod status;
mod time;

pub(crate) use badge::{Tone, badge};
pub(crate) use chart::{Axis, Bar, Chart, Series};
pub(crate) use copy::{copy_button, copyable};
pub(crate) use explanation::{explanation, in_short};
pub(crate) use field::{Entered, Field, checkbox, group};
pub(crate) use json::pretty;
pub(crate) use pager::pager;
pub(crate) use status::{delivery_status, status_name};
pub(crate) use time::{countdown, time};
