//! Lanes: which queue the deliveries of an endpoint wait in.
//!
//! An attempt occupies a place of the consumer for as long as its receiver takes. Endpoints that answer slowly get a queue
//! and a consumer of their own, so that they delay only each other.

/// A queue of deliveries and its consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// For endpoints that answer quickly, and for those that nothing is known of.
    #[default]
    Fast,
    /// For endpoints that answer slowly.
    Slow,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 2] = [Self::Fast, Self::Slow];

    /// The lane's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
    }

    /// The lane with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_found_by_its_name() {
        for lane in Lane::ALL {
            assert_eq!(Lane::parse(lane.as_str()), Some(lane));
        }
        assert_eq!(Lane::parse("slower"), None);
    }
}
