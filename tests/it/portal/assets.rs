//! The style sheet and the script.

use serde_json::json;

use crate::support::{Browser, World};

/// The paths of the files that a page refers to.
fn files(html: &str) -> Vec<String> {
    let paths = html.split("\"/portal/assets/").skip(1).map(|rest| rest.split('"').next().unwrap());
    paths.map(|name| format!("/portal/assets/{name}")).collect()
}

#[tokio::test]
async fn files_are_kept_under_the_hash_of_their_content_and_no_other_name() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "owner"})).await;
    let visitor = Browser::new(&world.process);
    let files = files(browser.get(&browser.first).await.html());
    assert_eq!(files.len(), 3);
    for file in &files {
        let reply = visitor.get(file).await;
        assert_eq!(
            (reply.status, &reply.headers["cache-control"]),
            (200, &"public, max-age=31536000, immutable".parse().unwrap())
        );
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        let (name, rest) = file.rsplit_once('-').unwrap();
        let other = format!("{name}-0123456789abcdef.{}", rest.split_once('.').unwrap().1);
        let other = visitor.get(&other).await;
        assert_eq!((other.status, &other.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
        assert_eq!(other.bytes, reply.bytes, "a page of another version gets the current file");
    }
    assert_eq!(visitor.get("/portal/assets/passwords").await.status, 404);
}

#[tokio::test]
async fn another_accent_is_another_style_sheet() {
    let style = async |accent: &str| {
        let world = World::with(&[("PORTAL_ACCENT", accent)]).await;
        let page = Browser::new(&world.process).get("/portal/nowhere").await;
        let file = files(page.html()).remove(0);
        (Browser::new(&world.process).get(&file).await.html().to_owned(), file)
    };
    let (usual, usual_file) = style("").await;
    let (other, other_file) = style("#b00020").await;
    assert!(usual.contains("#2f5bd8") && other.contains("#b00020") && usual_file != other_file);
    assert!(!usual.contains("accent-on") && !other.contains("accent-on"), "both shades are filled in");
}
