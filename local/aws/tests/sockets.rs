use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;

/// Sends one request on a connection of its own and returns the complete response.
async fn post(authority: &str, target: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {authority}\r\nX-Amz-Target: {target}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn both_services_respond_on_one_port_until_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let aws = EmbeddedAws::open(&Storage::Memory, &authority, system_clock()).unwrap();
    let queue = TestQueue::new(&aws, &[]).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(aws.clone().serve(listener, Vec::new(), async move { drop(stopped.await) }));

    let tables = post(&authority, "DynamoDB_20120810.ListTables", "{}").await;
    assert!(tables.starts_with("HTTP/1.1 200") && tables.ends_with(r#"{"TableNames":[]}"#), "{tables}");
    let queues = post(&authority, "AmazonSQS.ListQueues", "{}").await;
    assert!(queues.contains(&queue.url), "{queues}");
    let missing = post(&authority, "AmazonSQS.GetQueueUrl", r#"{"QueueName":"none"}"#).await;
    assert!(missing.starts_with("HTTP/1.1 400"), "{missing}");
    assert!(missing.contains("x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"), "{missing}");
    for target in ["", "AmazonSQS.Nonsense", "DynamoDB_20120810.Nonsense", "AmazonSNS.Publish"] {
        let unknown = post(&authority, target, "{}").await;
        assert!(unknown.contains("UnknownOperationException"), "{unknown}");
    }

    let body = format!(r#"{{"QueueUrl":"{}","WaitTimeSeconds":20}}"#, queue.url);
    let poll = tokio::spawn({
        let authority = authority.clone();
        async move { post(&authority, "AmazonSQS.ReceiveMessage", &body).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started_at = Instant::now();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(poll.await.unwrap().starts_with("HTTP/1.1 503"));
    assert!(started_at.elapsed() < Duration::from_secs(2), "a long poll does not delay the shutdown");
}
