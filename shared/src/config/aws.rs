//! The configuration of the AWS clients.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

use super::variable;

/// The configuration of the AWS clients on Lambda, where the environment contains region and credentials. The SDK's
/// default credentials chain would add its clients for STS and instance metadata to every function, and a larger
/// program has a slower cold start. `AWS_ENDPOINT_URL` sets another endpoint, such as an emulator's.
pub fn aws() -> SdkConfig {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let mut config = aws_clients()
        .into_builder()
        .region(variable("AWS_REGION").map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()));
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    config.build()
}

/// The settings of the AWS clients that do not depend on where they connect.
pub fn aws_clients() -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(behavior_version())
        .retry_config(retries())
        .timeout_config(timeouts())
        // Requests and responses are short, and each try has a time limit. So stalled-stream protection has no
        // benefit, and would cost work for each request.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// The SDK's defaults of this version. Pinning it ensures that an update does not change behaviour.
pub fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Three tries with exponential backoff and jitter.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50))
}

/// The time limits of a call: 3 s for each try, 10 s for all tries. The SDK has no time limits by default.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(10))
        .build()
}
