//! SSM: reading the encryption keys of the deployment.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::Parameter;
use zeroize::Zeroizing;

use crate::domain::encryption::key_ring::KeyRing;

/// A parameter of the type `SecureString` that holds a [`KeyRing`].
#[derive(Debug, Clone)]
pub(crate) struct KeyParameter {
    client: Client,
    name: String,
}

/// The value of the parameter.
#[derive(Debug)]
pub(crate) struct ReadKeys {
    /// The keys.
    pub(crate) keys: KeyRing,
    /// The version of the value, which each change increases.
    pub(crate) version: i64,
}

/// Why the keys could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ParameterError {
    /// SSM is unreachable or faulty, limits the rate, or refuses the access.
    #[error("SSM: {0}")]
    Unavailable(String),
    /// The parameter does not exist, or its value is not a key ring.
    #[error("the parameter {name} {reason}")]
    Unusable {
        /// The name of the parameter.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl KeyParameter {
    /// The parameter with this name. It sends no request.
    pub(crate) fn new(sdk: &SdkConfig, name: &str) -> Self {
        // By default SSM answers 40 requests a second of an account. A process reads the keys once, so it rather waits than
        // fails: seven tries with full jitter and up to 12.6 s between them in total.
        let retries = RetryConfig::standard().with_max_attempts(7).with_initial_backoff(Duration::from_millis(200));
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(Duration::from_secs(20));
        let config = aws_sdk_ssm::config::Builder::from(sdk).retry_config(retries).timeout_config(timeouts.build());
        Self { client: Client::from_conf(config.build()), name: name.to_owned() }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`ParameterError`]. Its message contains no part of the value.
    pub(crate) async fn read(&self) -> Result<ReadKeys, ParameterError> {
        let unusable = |reason: &str| ParameterError::Unusable { name: self.name.clone(), reason: reason.to_owned() };
        let read = self.client.get_parameter().name(&self.name).with_decryption(true).send().await;
        let output = match read {
            Ok(output) => output,
            Err(error) if error.code() == Some("ParameterNotFound") => return Err(unusable("does not exist")),
            // Not the whole error: that of an unreadable response contains the response, and so the keys.
            Err(error) => return Err(ParameterError::Unavailable(meaning(&error))),
        };
        let parameter = output.parameter.unwrap_or_else(|| Parameter::builder().build());
        let value = Zeroizing::new(parameter.value.unwrap_or_default());
        let keys = KeyRing::parse(&value).map_err(|error| unusable(&error.0))?;
        Ok(ReadKeys { keys, version: parameter.version })
    }
}

fn meaning<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match (error, error.code()) {
        (_, Some(code)) => code.to_owned(),
        (SdkError::TimeoutError(_), None) => "no answer in time".to_owned(),
        (SdkError::DispatchFailure(_), None) => "the request could not be sent".to_owned(),
        _ => "the answer cannot be read".to_owned(),
    }
}
