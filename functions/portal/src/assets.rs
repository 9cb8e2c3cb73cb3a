//! The style sheet, the script and the icon. Their names have a hash of their content, so that browsers may keep them for good.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};
use shared::domain::portal::branding::{Accent, Colour};
use shared::edge::ApiError;

use crate::{Routes, Shared};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/script.js");
const ICON: &str = include_str!("assets/icon.svg");

/// The backgrounds of the style sheet against which the accent is read.
const LIGHT: Colour = Colour::new(0xf6, 0xf7, 0xf9);
const DARK: Colour = Colour::new(0x1d, 0x21, 0x28);

/// A file that pages refer to.
#[derive(Debug)]
pub(crate) struct Asset {
    /// The path, with the hash.
    pub(crate) path: String,
    content_type: &'static str,
    text: String,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, text: String) -> Self {
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        Self { path: format!("/portal/assets/{name}-{}.{extension}", &hash[..16]), content_type, text }
    }
}

/// The files of a deployment.
#[derive(Debug)]
pub(crate) struct Assets {
    style: Asset,
    script: Asset,
    icon: Asset,
}

impl Assets {
    /// The files with this accent.
    pub(crate) fn new(accent: Accent) -> Self {
        let [style, icon] = [STYLE, ICON].map(|text| {
            let text = text.replace("accent-on-light", &accent.on_light(LIGHT).to_string());
            text.replace("accent-on-dark", &accent.on_dark(DARK).to_string())
        });
        Self {
            style: Asset::new("style", "css", "text/css; charset=utf-8", style),
            script: Asset::new("script", "js", "text/javascript; charset=utf-8", SCRIPT.to_owned()),
            icon: Asset::new("icon", "svg", "image/svg+xml", icon),
        }
    }

    pub(crate) const fn style(&self) -> &Asset {
        &self.style
    }

    pub(crate) const fn script(&self) -> &Asset {
        &self.script
    }

    pub(crate) const fn icon(&self) -> &Asset {
        &self.icon
    }
}

pub(crate) fn routes() -> Routes {
    Router::new().route("/portal/assets/{file}", get(file))
}

/// A file. During a deployment a page of another version may ask for another hash; it gets the current file, which must not be
/// kept under that name.
async fn file(Path(name): Path<String>, State(portal): Shared) -> Result<Response, ApiError> {
    let assets = portal.assets();
    let kind = |asset: &Asset| asset.path.rsplit('/').next().and_then(|name| name.split('-').next()).map(str::to_owned);
    let wanted = name.split('-').next().map(str::to_owned);
    let asset = [assets.style(), assets.script(), assets.icon()].into_iter().find(|asset| kind(asset) == wanted);
    let asset = asset.ok_or_else(|| ApiError::not_found("file"))?;
    let is_current = asset.path.rsplit('/').next() == Some(name.as_str());
    let caching = if is_current { "public, max-age=31536000, immutable" } else { "no-store" };
    Ok(([(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, caching)], asset.text.clone()).into_response())
}
