//! Who can read a key file.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Where systemd puts what `LoadCredential=` names: each unit's in a directory that only it can enter.
const CREDENTIALS: &str = "/run/credentials/";

/// Says what is wrong if others can read it, and what to do about it.
pub(super) fn readable_by_others(path: &Path, file: &File) -> io::Result<Option<String>> {
    let metadata = file.metadata()?;
    let (mode, owner) = (metadata.permissions().mode() & 0o777, metadata.uid());
    Ok((!is_private(path, mode, owner)).then(|| {
        format!(
            "others can read it (mode {mode:o}); run `chmod 600 {}`",
            path.display()
        )
    }))
}

fn is_private(path: &Path, mode: u32, owner: u32) -> bool {
    // There an access list names the unit's user, which shows in the bits of the group (acl(5)).
    let is_credential = path.starts_with(CREDENTIALS) && owner == 0;
    let others = if is_credential { 0o037 } else { 0o077 };
    mode & others == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_or_the_unit_that_it_is_a_credential_of_may_read_it() {
        let credential = "/run/credentials/taskpass-broker.service/sealing-key";
        let table = [
            ("/etc/taskpass/seal.key", 0o600, 1000, true),
            ("/etc/taskpass/seal.key", 0o400, 1000, true),
            ("/etc/taskpass/seal.key", 0o440, 0, false),
            ("/etc/taskpass/seal.key", 0o604, 1000, false),
            (credential, 0o440, 0, true),
            (credential, 0o400, 1000, true),
            (credential, 0o440, 1000, false),
            (credential, 0o460, 0, false),
            (credential, 0o444, 0, false),
            ("/run/credentials-of-mine/key", 0o440, 0, false),
        ];
        for (path, mode, owner, expected) in table {
            assert_eq!(
                is_private(Path::new(path), mode, owner),
                expected,
                "{path} {mode:o} {owner}"
            );
        }
    }
}
