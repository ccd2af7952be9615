//! The secret of a token.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret that is wiped with its last copy, and that nothing prints.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes a secret in.
    pub fn new(secret: String) -> Self {
        Self(Arc::new(Zeroizing::new(secret)))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_printed() {
        let secret = Secret::new("eyJhbGciOi".to_owned());
        assert!(!format!("{secret:?}").contains("eyJ"));
        assert_eq!(secret.expose(), "eyJhbGciOi");
    }
}
