//! Bans: who is refused on every call.

use std::collections::HashMap;

use taskpass_identity::SpiffeId;
use taskpass_proto::holder::HolderHash;

use super::time::UnixMillis;

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Whom it is on.
    pub target: BanTarget,
    /// Since when.
    pub since: UnixMillis,
    /// Until when; for good when absent.
    pub until: Option<UnixMillis>,
    /// Why.
    pub note: String,
    /// Who said so.
    pub by: String,
}

/// Whom a ban is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BanTarget {
    /// A workload.
    Workload(SpiffeId),
    /// A holder, whatever its workload.
    Holder(HolderHash),
}

/// Every ban, looked up on every call.
#[derive(Debug, Clone, Default)]
pub struct Bans(HashMap<BanTarget, Ban>);

impl Bans {
    /// Takes the bans as they are stored.
    pub fn new(bans: impl IntoIterator<Item = Ban>) -> Self {
        Self(
            bans.into_iter()
                .map(|ban| (ban.target.clone(), ban))
                .collect(),
        )
    }

    /// The ban on a workload that is in force at `now`.
    pub fn on_workload(&self, subject: &SpiffeId, now: UnixMillis) -> Option<&Ban> {
        if self.0.is_empty() {
            return None;
        }
        self.in_force(&BanTarget::Workload(subject.clone()), now)
    }

    /// The ban on a holder that is in force at `now`.
    pub fn on_holder(&self, holder: HolderHash, now: UnixMillis) -> Option<&Ban> {
        self.in_force(&BanTarget::Holder(holder), now)
    }

    /// Every ban.
    pub fn iter(&self) -> impl Iterator<Item = &Ban> {
        self.0.values()
    }

    fn in_force(&self, target: &BanTarget, now: UnixMillis) -> Option<&Ban> {
        self.0
            .get(target)
            .filter(|ban| ban.until.is_none_or(|until| now < until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_in_force_until_its_end() {
        let id: SpiffeId = "spiffe://acme.example/a".parse().unwrap();
        let other: SpiffeId = "spiffe://acme.example/b".parse().unwrap();
        let at = UnixMillis::new;
        let ban = Ban {
            target: BanTarget::Workload(id.clone()),
            since: at(10),
            until: Some(at(20)),
            note: "leaked".into(),
            by: "uid 0".into(),
        };
        let bans = Bans::new([ban.clone()]);
        assert!(bans.on_workload(&id, at(19)).is_some());
        assert!(bans.on_workload(&id, at(20)).is_none());
        assert!(bans.on_workload(&other, at(15)).is_none());
        let for_good = Bans::new([Ban { until: None, ..ban }]);
        assert!(for_good.on_workload(&id, at(u64::MAX)).is_some());
    }
}
