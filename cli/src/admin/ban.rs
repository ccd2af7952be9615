//! How bans are shown.

use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::v1::list_bans_response::{BanEntry, ban_entry};

use crate::admin::wire;
use crate::output::{Page, View};

/// What a ban did.
#[derive(Debug, Serialize)]
pub(crate) struct Banned {
    /// Its end; none means until it is lifted.
    pub(crate) until: Option<Timestamp>,
    /// How many open jobs it ended.
    pub(crate) ended_jobs: u64,
}

/// A ban was lifted.
#[derive(Debug, Serialize)]
pub(crate) struct Lifted {
    /// Always true.
    pub(crate) lifted: bool,
}

/// What is banned.
#[derive(Debug, Serialize)]
pub(crate) struct Bans {
    /// The bans.
    pub(crate) bans: Vec<Ban>,
}

/// One ban.
#[derive(Debug, Serialize)]
pub(crate) struct Ban {
    #[serde(skip_serializing_if = "String::is_empty")]
    workload: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    holder: String,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    note: String,
    by: String,
}

impl From<BanEntry> for Ban {
    fn from(wire: BanEntry) -> Self {
        let (workload, holder) = match wire.target {
            Some(ban_entry::Target::SpiffeId(id)) => (id, String::new()),
            Some(ban_entry::Target::Holder(hash)) => (String::new(), hash),
            None => (String::new(), String::new()),
        };
        Self {
            workload,
            holder,
            since: wire::moment(wire.since),
            until: wire::moment(wire.until),
            note: wire.note,
            by: wire.by,
        }
    }
}

impl View for Banned {
    fn text(&self, page: &mut Page) {
        let until = match self.until {
            Some(until) => page.moment(Some(until)),
            None => "it is lifted".to_owned(),
        };
        let jobs = match self.ended_jobs {
            0 => "no job was open".to_owned(),
            1 => "1 job was ended".to_owned(),
            more => format!("{more} jobs were ended"),
        };
        page.line(&format!("banned until {until}; {jobs}"));
    }
}

impl View for Lifted {
    fn text(&self, page: &mut Page) {
        page.line("the ban is lifted");
    }
}

impl View for Bans {
    fn text(&self, page: &mut Page) {
        if self.bans.is_empty() {
            page.line(
                "nothing is banned; `taskpass workload ban SPIFFE_ID --note WHY` bans a workload",
            );
            return;
        }
        let rows = self.bans.iter().map(|ban| {
            let target = match ban.workload.as_str() {
                "" => format!("holder {}", ban.holder),
                workload => workload.to_owned(),
            };
            let until = match ban.until {
                Some(until) => page.when(Some(until)),
                None => "lifted".to_owned(),
            };
            [
                target,
                page.when(ban.since),
                until,
                ban.by.clone(),
                ban.note.clone(),
            ]
        });
        let rows = rows.collect();
        page.table(["BANNED", "SINCE", "UNTIL", "BY", "WHY"], rows);
    }
}
