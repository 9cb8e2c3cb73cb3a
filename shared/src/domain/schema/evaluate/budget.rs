//! The steps that a validation may take.

/// The steps that are left.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
}

/// No steps are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    pub(crate) const fn new(steps: u32) -> Self {
        Self { left: steps }
    }

    pub(crate) fn spend(&mut self, steps: u32) -> Result<(), Exhausted> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Exhausted)
            }
        }
    }

    /// Spends a step for each 64 bytes of text that are read.
    pub(crate) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spend(u32::try_from(bytes / 64).unwrap_or(u32::MAX))
    }

    /// Spends the steps of a binary search among this many names. The probes among many names miss the processor's
    /// caches.
    pub(crate) fn spend_search(&mut self, names: usize) -> Result<(), Exhausted> {
        let probes = usize::BITS - names.leading_zeros();
        self.spend(1 + probes * probes / 8)
    }

    /// The steps that are left.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }
}
