//! How many entries of a list are asked for.

use clap::Args;

/// What a broker answers at most in one page.
const LARGEST_PAGE: usize = 500;

/// What is shown unless told otherwise.
const USUAL: u32 = 50;

/// The option `--limit`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Limit {
    /// How many to show at most
    #[arg(long, value_name = "N", default_value_t = USUAL, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Limit {
    /// How many to ask for when there are this many already.
    pub(crate) fn page_size(self, already: usize) -> u32 {
        let left = self.limit().saturating_sub(already).clamp(1, LARGEST_PAGE);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Whether this many are enough.
    pub(crate) fn is_reached(self, count: usize) -> bool {
        count >= self.limit()
    }

    /// Cuts a list that became too long, and says whether it did.
    pub(crate) fn cut<T>(self, entries: &mut Vec<T>) -> bool {
        let longer = entries.len() > self.limit();
        entries.truncate(self.limit());
        longer
    }

    /// The option that asks for the same again, where it is not the usual.
    pub(crate) fn option(self) -> Option<String> {
        (self.limit != USUAL).then(|| format!("--limit {}", self.limit))
    }

    fn limit(self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up_to_the_limit() {
        let table = [
            (50, 0, 50),
            (50, 20, 30),
            (50, 50, 1),
            (2000, 0, 500),
            (2000, 1900, 100),
        ];
        for (limit, already, size) in table {
            assert_eq!(
                Limit { limit }.page_size(already),
                size,
                "{limit} {already}"
            );
        }
        let mut entries = vec![1, 2, 3];
        assert!(Limit { limit: 2 }.cut(&mut entries));
        assert!(!Limit { limit: 2 }.cut(&mut entries));
        assert_eq!(entries, [1, 2]);
    }
}
