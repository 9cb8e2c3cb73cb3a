//! Receivers without a name, an address or a listening process, and receivers that end before they accept.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use shared::sender::Lookup;
use tokio::io::unix::AsyncFd;

use super::Scene;
use crate::support::World;

/// A server that ends when the kernel has opened a connection that it has not accepted.
fn ending_before_it_accepts() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        #[expect(deprecated, reason = "its replacement is unsafe, and the listener keeps its file descriptor")]
        let listener = AsyncFd::new(listener)?;
        listener.readable().await?.retain_ready();
        io::Result::Ok(())
    });
    address
}

pub(super) async fn scenes(world: &World) -> Vec<Scene> {
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let missing = world.process_looking_up(Lookup::from_fn(async |_| Err(io::ErrorKind::NotFound.into())));
    let empty = world.process_looking_up(Lookup::from_fn(async |_| Ok(Vec::new())));
    let failing = world.process_looking_up(Lookup::from_fn(async |_| Err(io::Error::other("the server failed"))));
    let (named, system) = ("http://receiver.test/".to_owned(), &world.process);
    let long_label = format!("http://{}.test/", "label-of-more-than-63-characters".repeat(3));
    let ending = |scheme: &str| format!("{scheme}://{}/", ending_before_it_accepts());
    vec![
        Scene::new("the name does not exist", &missing, named.clone(), "dns: name_not_found"),
        Scene::new("no name can have this label", system, long_label, "dns: name_not_found"),
        Scene::new("the name has no address", &empty, named.clone(), "dns: no_address"),
        Scene::new("the name cannot be looked up", &failing, named, "dns"),
        Scene::new(
            "no process listens on the port",
            system,
            format!("http://{unused}/"),
            "connect: connection_refused",
        ),
        // The broadcast address of the loopback interface has no route for TCP.
        Scene::new("the address has no route", system, "http://127.255.255.255/".to_owned(), "connect: unreachable"),
        // The reset can arrive before the client knows that the connection is open.
        Scene {
            expected: vec!["connect: connection_reset", "invalid_response: connection_reset"],
            ..Scene::new("a reset before the receiver accepts", system, ending("http"), "")
        },
        Scene::new(
            "a reset before the receiver accepts a connection for TLS",
            system,
            ending("https"),
            "connect: connection_reset",
        ),
    ]
}
