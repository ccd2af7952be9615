//! Who is which workload, by user and group.

use std::collections::{BTreeSet, HashMap};

/// Says which identity a user or a group is; no user and no group is two of them.
///
/// A user that is named decides alone; the group counts only where no identity names the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    by_uid: HashMap<u32, usize>,
    by_gid: HashMap<u32, usize>,
}

/// A user or group stands in two identities, so nobody could say which of them it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} {number} stands in identities {first} and {second}; a caller must be exactly one workload"
)]
pub struct Overlap {
    /// `user` or `group`.
    pub kind: &'static str,
    /// Its number.
    pub number: u32,
    /// The first of the two identities, counted from 1 as they stand in the file.
    pub first: usize,
    /// The other.
    pub second: usize,
}

impl Mapping {
    /// Takes the users and groups of each identity, in order.
    pub fn new<'a>(
        identities: impl IntoIterator<Item = (&'a BTreeSet<u32>, &'a BTreeSet<u32>)>,
    ) -> Result<Self, Overlap> {
        let (mut by_uid, mut by_gid) = (HashMap::new(), HashMap::new());
        for (index, (uids, gids)) in identities.into_iter().enumerate() {
            insert(&mut by_uid, "user", uids, index)?;
            insert(&mut by_gid, "group", gids, index)?;
        }
        Ok(Self { by_uid, by_gid })
    }

    /// The place, from 0, of the identity that a caller is; none if it is nobody.
    pub fn identity_of(&self, uid: u32, gid: u32) -> Option<usize> {
        let by_user = self.by_uid.get(&uid);
        by_user.or_else(|| self.by_gid.get(&gid)).copied()
    }
}

fn insert(
    map: &mut HashMap<u32, usize>,
    kind: &'static str,
    numbers: &BTreeSet<u32>,
    index: usize,
) -> Result<(), Overlap> {
    for number in numbers {
        if let Some(first) = map.insert(*number, index) {
            return Err(Overlap {
                kind,
                number: *number,
                first: first + 1,
                second: index + 1,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(identities: &[(&[u32], &[u32])]) -> Result<Mapping, Overlap> {
        let sets: Vec<(BTreeSet<u32>, BTreeSet<u32>)> = identities
            .iter()
            .map(|(uids, gids)| {
                (
                    uids.iter().copied().collect(),
                    gids.iter().copied().collect(),
                )
            })
            .collect();
        Mapping::new(sets.iter().map(|(uids, gids)| (uids, gids)))
    }

    #[test]
    fn a_user_decides_and_the_group_only_where_no_user_is_named() {
        let mapping = mapping(&[(&[1000, 1001], &[50]), (&[1002], &[60]), (&[], &[70])]).unwrap();
        let table = [
            (1000, 9, Some(0)),
            (1001, 9, Some(0)),
            (1002, 9, Some(1)),
            (7, 50, Some(0)),
            (7, 60, Some(1)),
            (7, 70, Some(2)),
            // The group names another workload than the user, who decides.
            (1000, 60, Some(0)),
            (1002, 50, Some(1)),
            (7, 9, None),
            // Root is nobody in particular.
            (0, 0, None),
        ];
        for (uid, gid, expected) in table {
            assert_eq!(mapping.identity_of(uid, gid), expected, "{uid}:{gid}");
        }
    }

    #[test]
    fn nobody_is_two_workloads() {
        let overlap = mapping(&[(&[1], &[]), (&[2], &[]), (&[1], &[])]).unwrap_err();
        assert_eq!((overlap.first, overlap.second), (1, 3));
        assert_eq!(
            mapping(&[(&[], &[5]), (&[], &[5])]).unwrap_err().kind,
            "group"
        );
        // A user and a group with the same number are different things.
        assert!(mapping(&[(&[5], &[]), (&[], &[5])]).is_ok());
    }
}
