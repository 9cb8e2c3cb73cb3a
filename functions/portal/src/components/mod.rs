//! Parts that several pages share.

mod badge;
mod copy;
mod pager;
mod time;

pub(crate) use badge::{Tone, badge};
pub(crate) use copy::copyable;
pub(crate) use pager::pager;
pub(crate) use time::time;
