//! Receivers whose responses are unreadable or incomplete.

use super::Scene;
use crate::support::Step::{Read, ReadByte, Reset, Say};
use crate::support::{RawServer, World};

pub(super) async fn scenes(world: &World) -> Vec<Scene> {
    let say = |text: &str| Say(text.as_bytes().to_vec());
    let large = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    let body = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx";
    let mut scenes = Vec::new();
    for (situation, steps, expected) in [
        ("no status line", vec![Read, say("220 mail.example ESMTP\r\n")], "invalid_response: bad_status_line"),
        ("a malformed header", vec![Read, say("HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n")], "invalid_response: bad_header"),
        ("too many headers", vec![Read, say(&large)], "invalid_response: too_large"),
        ("a close within the request", vec![ReadByte], "invalid_response: closed_before_answer"),
        ("a close after the request", vec![Read], "invalid_response: closed_before_answer"),
        ("a close within the head", vec![Read, say("HTTP/1.1 200 OK\r\nx")], "invalid_response: closed_before_answer"),
        ("a close within the body", vec![Read, say(body)], "success"),
        ("a reset within the request", vec![ReadByte, Reset], "invalid_response: connection_reset"),
        ("a reset after the request", vec![Read, Reset], "invalid_response: connection_reset"),
        (
            "a reset within the head",
            vec![Read, say("HTTP/1.1 200 OK\r\nx"), Reset],
            "invalid_response: connection_reset",
        ),
        ("a reset within the body", vec![Read, say(body), Reset], "success"),
        ("another status", vec![Read, say("HTTP/1.1 404 Not Found\r\n\r\n")], "http_status"),
    ] {
        scenes.push(Scene::at(RawServer::new(steps).await, situation, &world.process, expected));
    }
    scenes
}
