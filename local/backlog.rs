//! Describes the backlog of a deployment for its operator: the messages in the queues and the waiting deliveries in the
//! table by organization.

use std::fmt::Write as _;

use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use shared::config::days;
use shared::store::{Backlog, Store};

/// Describes the backlog of a table and its queues as text. It has a line for each organization, the largest backlog
/// first.
///
/// # Errors
/// If the message counts of a queue or the index cannot be read.
pub async fn backlog(sdk: &SdkConfig, table: &str, queue_urls: &[String]) -> anyhow::Result<String> {
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let mut text = String::from("In the queues, all organizations together:\n\n");
    for url in queue_urls {
        let queue = sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        let counts = queue.send().await?.attributes.unwrap_or_default();
        let count = |name| counts.get(&name).map_or("?", String::as_str);
        let name = url.rsplit('/').next().unwrap_or(url);
        let ready = count(QueueAttributeName::ApproximateNumberOfMessages);
        let in_flight = count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        let delayed = count(QueueAttributeName::ApproximateNumberOfMessagesDelayed);
        writeln!(text, "{name}: {ready} ready, {in_flight} in flight or hidden, {delayed} delayed")?;
    }
    text.push('\n');
    // The retention does not affect reads.
    let found = Store::new(sdk, table, days(1)).backlog().await?;
    let mut organizations: Vec<_> = found.into_iter().collect();
    organizations.sort_by_key(|(_, backlog)| std::cmp::Reverse(backlog.due + backlog.held));
    writeln!(text, "{:<40} {:>12} {:>12} {:>20}", "organization", "due or sent", "held", "suspended endpoints")?;
    for (organization, Backlog { due, held, suspended_endpoints }) in organizations {
        let name = organization.map_or_else(|| "(unknown)".to_owned(), |id| id.to_string());
        writeln!(text, "{name:<40} {due:>12} {held:>12} {suspended_endpoints:>20}")?;
    }
    Ok(text)
}
