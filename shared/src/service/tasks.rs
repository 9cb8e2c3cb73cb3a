//! Running work in tasks of their own, so that a panic affects no other.

use tokio::task::JoinSet;
use tracing::error;

/// Runs futures concurrently, each in a task of its own. The results have the order of the futures; `None` is that of a task
/// that panicked. If the returned future is dropped, so are the tasks.
pub(crate) async fn run_each<F>(futures: impl IntoIterator<Item = F>) -> Vec<Option<F::Output>>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (mut tasks, mut results) = (JoinSet::new(), Vec::new());
    for (index, future) in futures.into_iter().enumerate() {
        results.push(None);
        // Boxed, the future is not copied when the task is spawned.
        let future = Box::pin(future);
        tasks.spawn(async move { (index, future.await) });
    }
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok((index, result)) => {
                if let Some(slot) = results.get_mut(index) {
                    *slot = Some(result);
                }
            }
            Err(panic) => error!(%panic, "a task panicked"),
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_affects_no_other_task_and_the_results_keep_their_order() {
        let later = |number: u64| async move {
            for _ in number..4 {
                tokio::task::yield_now().await;
            }
            assert_ne!(number, 2, "this one panics");
            number
        };
        assert_eq!(run_each((0..4).map(later)).await, [Some(0), Some(1), None, Some(3)]);
        assert_eq!(run_each((0..0).map(later)).await, []);
    }
}
