//! The queues of a deployment, and the messages in them.

use std::future::pending;
use std::net::Ipv4Addr;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::{CONSUMER_BATCH, MAX_RECEIVES};
use tokio::net::TcpListener;

use super::{QUEUE, World, ingest_queues};

impl World {
    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk())
    }

    /// Serves the table and the queues on a socket, and returns its URL.
    pub(crate) async fn serve_aws(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(self.aws.clone().serve(listener, Vec::new(), pending()));
        url
    }

    /// The URL of the fast lane's queue.
    pub(crate) fn queue_url(&self) -> &str {
        self.queue_url_of(Lane::Fast)
    }

    pub(crate) fn queue_url_of(&self, lane: Lane) -> &str {
        self.settings.queue_urls.of(lane)
    }

    /// The URLs of all queues of deliveries.
    pub(in crate::support) fn queue_urls(&self) -> impl Iterator<Item = &str> {
        Lane::ALL.into_iter().map(|lane| self.queue_url_of(lane))
    }

    /// Sends a message to the fast lane's queue.
    pub(crate) async fn send(&self, body: &str) {
        self.sqs().send_message().queue_url(self.queue_url()).message_body(body).send().await.unwrap();
    }

    /// The messages in the queues, including hidden ones. Reading them does not change them.
    pub(crate) fn messages(&self) -> Vec<String> {
        Lane::ALL.into_iter().flat_map(|lane| self.messages_of(lane)).collect()
    }

    /// The messages in the queue of a lane, including hidden ones.
    pub(crate) fn messages_of(&self, lane: Lane) -> Vec<String> {
        self.aws.messages(self.queue_url_of(lane))
    }

    /// Receives all visible messages of the fast lane's queue, which hides them.
    pub(crate) async fn take_messages(&self) -> Vec<String> {
        self.take_from(self.queue_url()).await
    }

    /// Receives all messages of the dead-letter queue, which hides them.
    pub(crate) async fn take_dead_letters(&self) -> Vec<String> {
        self.take_from(&self.dead_letter_url().await).await
    }

    /// The messages in the dead-letter queue, including hidden ones. Reading them does not change them.
    pub(crate) async fn dead_letters(&self) -> Vec<String> {
        self.aws.messages(&self.dead_letter_url().await)
    }

    async fn dead_letter_url(&self) -> String {
        let found = self.sqs().get_queue_url().queue_name(format!("{QUEUE}-dead")).send().await.unwrap();
        found.queue_url.unwrap()
    }

    /// Sends a message to the ingest queue and returns its id.
    pub(crate) async fn send_to_ingest(&self, body: &str) -> String {
        let sent = self.sqs().send_message().queue_url(ingest_queues().queue).message_body(body).send().await.unwrap();
        sent.message_id.unwrap()
    }

    /// Sends a message of this message group to the ingest queue and returns its id.
    pub(crate) async fn send_to_ingest_as(&self, group: &str, body: &str) -> String {
        let send = self.sqs().send_message().queue_url(ingest_queues().queue).message_body(body);
        send.message_group_id(group).send().await.unwrap().message_id.unwrap()
    }

    /// The numbers of hidden and of delayed messages in the ingest queue.
    pub(crate) async fn waiting_for_ingest(&self) -> (usize, usize) {
        let request = self.sqs().get_queue_attributes().queue_url(ingest_queues().queue);
        let attributes = request.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
        let number = |name| attributes[&name].parse().unwrap();
        let delayed = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
        (number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible), number(delayed))
    }

    /// The messages in the ingest queue, including hidden ones. Reading them does not change them.
    pub(crate) fn ingest_messages(&self) -> Vec<String> {
        self.aws.messages(&ingest_queues().queue)
    }

    /// The message groups of the visible messages of the ingest queue, which are received by it.
    pub(crate) async fn groups_of_ingest_messages(&self) -> Vec<String> {
        let receive = self.sqs().receive_message().queue_url(ingest_queues().queue).max_number_of_messages(10);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        let messages = receive.send().await.unwrap().messages.unwrap_or_default();
        let group = |message: Message| message.attributes?.remove(&MessageSystemAttributeName::MessageGroupId);
        messages.into_iter().filter_map(group).collect()
    }

    /// Makes the messages of the ingest queue that are in flight visible.
    pub(crate) fn redeliver_ingest(&self) {
        self.aws.redeliver(&ingest_queues().queue);
    }

    /// Receives all messages of the ingest queue's dead-letter queue, which hides them. Each has its attributes `reason`, `detail`
    /// and `message_id`.
    pub(crate) async fn take_ingest_dead_letters(&self) -> Vec<(String, [String; 3])> {
        let receive = self.sqs().receive_message().queue_url(ingest_queues().dead_letter).max_number_of_messages(10);
        let received = receive.message_attribute_names("All").send().await.unwrap();
        let letters = received.messages.unwrap_or_default().into_iter().map(|message| {
            let attributes = message.message_attributes.unwrap_or_default();
            let value = |name: &str| attributes.get(name).and_then(|it| it.string_value.clone()).unwrap_or_default();
            (message.body.unwrap(), ["reason", "detail", "message_id"].map(value))
        });
        letters.collect()
    }

    /// Makes the messages in flight visible, as if SQS delivered them a second time.
    pub(crate) fn redeliver(&self) {
        self.queue_urls().for_each(|queue| self.aws.redeliver(queue));
    }

    /// Sets whether the receipt of an earlier receive still deletes and hides its message.
    pub(crate) fn let_former_receipts_act(&self, act: bool) {
        self.queue_urls().for_each(|queue| self.aws.let_former_receipts_act(queue, act));
    }

    /// Receives all visible messages this many times, like processes that crash immediately. Afterwards the messages
    /// are visible.
    pub(crate) async fn receive_in_vain(&self, times: u32) {
        let batches = u32::try_from(self.visible_in_the_queue().await).unwrap().div_ceil(CONSUMER_BATCH);
        for _ in 0..times * batches {
            let receive = self.sqs().receive_message().queue_url(self.queue_url()).max_number_of_messages(10);
            receive.visibility_timeout(0).send().await.unwrap();
        }
    }

    /// Counts so many receives of the visible messages that the next receive moves them to the dead-letter queue.
    pub(crate) fn wear_out(&self) {
        self.queue_urls().for_each(|queue| self.aws.receive_in_vain(queue, MAX_RECEIVES));
    }

    /// Moves the messages of the dead-letter queue to the fast lane, as an operator can, and returns their number. As on
    /// AWS, they are new messages.
    pub(crate) async fn redrive(&self) -> usize {
        let (queue, mut moved) = (self.dead_letter_url().await, 0);
        loop {
            let receive = self.sqs().receive_message().queue_url(&queue).max_number_of_messages(10);
            let letters = receive.send().await.unwrap().messages.unwrap_or_default();
            if letters.is_empty() {
                return moved;
            }
            moved += letters.len();
            for letter in letters {
                self.send(&letter.body.unwrap()).await;
                let delete = self.sqs().delete_message().queue_url(&queue);
                delete.receipt_handle(letter.receipt_handle.unwrap()).send().await.unwrap();
            }
        }
    }

    /// Deletes all messages of the queues, including hidden ones.
    pub(crate) async fn purge(&self) {
        for queue in self.queue_urls() {
            self.sqs().purge_queue().queue_url(queue).send().await.unwrap();
        }
    }

    async fn take_from(&self, queue_url: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let receive = self.sqs().receive_message().queue_url(queue_url).max_number_of_messages(10);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            bodies.extend(messages.into_iter().filter_map(|message| message.body));
        }
    }
}
